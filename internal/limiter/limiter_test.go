package limiter_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/limiter"
)

var (
	succeeded   = &attempt.Outcome{Took: 100 * time.Millisecond}
	failed      = &attempt.Outcome{Kind: attempt.Transient}
	errThrottle = errors.New("429")
	throttled   = &attempt.Outcome{Kind: attempt.Throttled, Took: 100 * time.Millisecond, Err: errThrottle}
)

func asking(d time.Duration) *attempt.Outcome {
	return &attempt.Outcome{Kind: attempt.Throttled, RetryAfter: d, Err: errThrottle}
}

// queued is a queue of waiting tickets, with the names of the admitted ones.
type queued struct {
	t        *testing.T
	l        *limiter.Limiter
	mu       sync.Mutex
	admitted []string
}

// acquire starts to wait for a ticket.
func (q *queued) acquire(name string, ticket *limiter.Ticket) {
	q.t.Helper()
	go func() {
		err := q.l.Acquire(q.t.Context(), ticket)
		if err != nil {
			name += " failed"
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.admitted = append(q.admitted, name)
	}()
	synctest.Wait()
}

// does checks the names admitted since the last call.
func (q *queued) does(want ...string) {
	q.t.Helper()
	time.Sleep(time.Minute) // longer than a pause
	synctest.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	slices.Sort(q.admitted)
	if !slices.Equal(q.admitted, want) {
		q.t.Errorf("admitted %q, want %q", q.admitted, want)
	}
	q.admitted = nil
}

// test runs a script in virtual time.
func test(t *testing.T, most float64, script func(t *testing.T, q *queued)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { script(t, &queued{t: t, l: limiter.New(most, 10*time.Second)}) })
}

func TestOrderAndBound(t *testing.T) {
	test(t, 2, func(_ *testing.T, q *queued) {
		tickets := make([]limiter.Ticket, 5)
		for i := range tickets {
			q.acquire(fmt.Sprint(i), &tickets[i])
		}
		q.does("0", "1")
		q.l.Release(&tickets[1], succeeded)
		q.does("2")
		q.l.Release(&tickets[0], failed)
		q.l.Release(&tickets[2], nil)
		q.does("3", "4")
	})
}

// Tickets of batches and single calls are admitted in order of arrival. A batch also has its own
// limit.
func TestBatches(t *testing.T) {
	test(t, 3, func(_ *testing.T, q *queued) {
		a, b := q.l.NewBatch(1), q.l.NewBatch(math.Inf(1))
		a1, a2 := &limiter.Ticket{Batch: a}, &limiter.Ticket{Batch: a}
		b1, b2, single := &limiter.Ticket{Batch: b}, &limiter.Ticket{Batch: b}, new(limiter.Ticket)
		q.acquire("a1", a1)
		q.acquire("a2", a2)
		q.acquire("b1", b1)
		q.acquire("single", single)
		q.acquire("b2", b2)
		q.does("a1", "b1", "single")
		q.l.Release(b1, succeeded)
		q.does("b2")
		q.l.Release(a1, succeeded)
		q.does("a2")
		if stats := a.Stats(); stats.InFlight != 1 || stats.Waiting != 0 || stats.Limit != 1 {
			t.Errorf("got %+v", stats)
		}
	})
}

// A ticket with First goes before the others of its batch. It goes before those of no other scope,
// so that many of them do not stop the other calls of the client.
func TestFirst(t *testing.T) {
	test(t, 1, func(_ *testing.T, q *queued) {
		batch := q.l.NewBatch(math.Inf(1))
		a, b, c, d := &limiter.Ticket{Batch: batch}, &limiter.Ticket{Batch: batch}, &limiter.Ticket{Batch: batch, First: true}, &limiter.Ticket{Batch: batch, First: true}
		single, last := new(limiter.Ticket), new(limiter.Ticket)
		for _, step := range []struct {
			name   string
			ticket *limiter.Ticket
		}{{"a", a}, {"b", b}, {"single", single}, {"c", c}, {"d", d}, {"last", last}} {
			q.acquire(step.name, step.ticket)
		}
		q.does("a")
		for _, step := range []struct {
			done *limiter.Ticket
			next string
		}{{a, "single"}, {single, "c"}, {c, "d"}, {d, "b"}, {b, "last"}} {
			q.l.Release(step.done, succeeded)
			q.does(step.next)
		}
	})
}

// A throttled ticket keeps its place at the front. After two throttles in a row, it goes to the
// back.
func TestPlaceOfTheThrottled(t *testing.T) {
	test(t, 1, func(t *testing.T, q *queued) {
		a, b, c := new(limiter.Ticket), new(limiter.Ticket), new(limiter.Ticket)
		q.acquire("a", a)
		q.acquire("b", b)
		q.does("a")
		if got := q.l.Release(a, throttled); !got.Paused || got.Behind {
			t.Errorf("got %+v", got)
		}
		q.acquire("a", a)
		q.does("a")
		if got := q.l.Release(a, throttled); !got.Behind {
			t.Errorf("got %+v", got)
		}
		q.acquire("c", c)
		q.acquire("a", a)
		q.does("b")
		q.l.Release(b, succeeded)
		q.does("c")
		q.l.Release(c, succeeded)
		q.does("a")
	})
}

// After a Retry-After, one ticket is admitted. Its success admits the others.
func TestPause(t *testing.T) {
	test(t, 9, func(t *testing.T, q *queued) {
		tickets := make([]limiter.Ticket, 4)
		q.acquire("0", &tickets[0])
		q.l.Release(&tickets[0], asking(5*time.Second))
		if got := q.l.RetryAfter(); got != 5*time.Second {
			t.Errorf("the pause takes another %v", got)
		}
		for i := range tickets[1:] {
			q.acquire(fmt.Sprint(i+1), &tickets[i+1])
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := q.l.Stats(); got.InFlight != 0 || got.Waiting != 3 {
			t.Errorf("in the pause: %+v", got)
		}
		q.does("0", "1")
		q.does()
		q.l.Release(&tickets[1], succeeded)
		q.does("2", "3")
	})
}

func TestPauseIsBounded(t *testing.T) {
	test(t, 9, func(t *testing.T, q *queued) {
		a, b := new(limiter.Ticket), &limiter.Ticket{MaxPause: 10 * time.Second}
		q.acquire("a", a)
		q.l.Release(a, asking(math.MaxInt64))
		if got := q.l.RetryAfter(); got != time.Hour {
			t.Errorf("a pause of %v", got)
		}
		err := q.l.Acquire(t.Context(), b)
		if paused, ok := errors.AsType[*limiter.PausedError](err); !ok || paused.Remaining != time.Hour || !errors.Is(err, errThrottle) {
			t.Errorf("got %v", err)
		}
	})
}

// A ticket that is throttled while others succeed causes no pause.
func TestIsolatedTicket(t *testing.T) {
	test(t, 9, func(t *testing.T, q *queued) {
		bad := new(limiter.Ticket)
		var got limiter.Throttling
		for range 10 {
			for range 30 {
				good := new(limiter.Ticket)
				q.acquire("good", good)
				time.Sleep(time.Minute)
				q.l.Release(good, succeeded)
			}
			q.acquire("bad", bad)
			got = q.l.Release(bad, throttled)
		}
		if got.Paused || got.Times != 10 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestProbeDuringAHold(t *testing.T) {
	test(t, 9, func(_ *testing.T, q *queued) {
		batch := q.l.NewBatch(math.Inf(1))
		a, b, single := &limiter.Ticket{Batch: batch}, &limiter.Ticket{Batch: batch}, new(limiter.Ticket)
		batch.Hold()
		q.acquire("a", a)
		q.acquire("b", b)
		q.acquire("single", single)
		q.does("single") // not of the batch
		batch.Probe(b)
		q.does("b")
		late := &limiter.Ticket{Batch: batch}
		batch.Probe(late)
		q.acquire("late", late)
		q.does("late")
		batch.Resume()
		q.does("a")
	})
}

// A probe is admitted before the queue, because its result is needed soon.
func TestProbeIsAdmittedFirst(t *testing.T) {
	test(t, 1, func(_ *testing.T, q *queued) {
		batch := q.l.NewBatch(math.Inf(1))
		a, b, probe, single := &limiter.Ticket{Batch: batch}, &limiter.Ticket{Batch: batch}, &limiter.Ticket{Batch: batch}, new(limiter.Ticket)
		q.acquire("a", a)
		q.acquire("single", single)
		q.acquire("b", b)
		batch.Probe(probe)
		q.acquire("probe", probe)
		q.does("a")
		q.l.Release(a, throttled)
		q.does("probe")
		q.l.Release(probe, succeeded)
		q.does("single")
		batch.Probe(b)
		q.acquire("a", a)
		q.l.Release(single, succeeded)
		q.does("b")
	})
}

func TestClosedBatch(t *testing.T) {
	test(t, 1, func(_ *testing.T, q *queued) {
		batch := q.l.NewBatch(math.Inf(1))
		a, b, c := &limiter.Ticket{Batch: batch}, &limiter.Ticket{Batch: batch}, &limiter.Ticket{Batch: batch}
		q.acquire("a", a)
		q.acquire("b", b)
		batch.Close(errors.New("over"))
		q.acquire("c", c)
		q.does("a", "b failed", "c failed")
	})
}

func TestContextEndsTheWait(t *testing.T) {
	test(t, 1, func(t *testing.T, q *queued) {
		a, b, c := new(limiter.Ticket), new(limiter.Ticket), new(limiter.Ticket)
		q.acquire("a", a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.l.Acquire(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		q.acquire("c", c)
		q.l.Release(a, succeeded)
		q.does("a", "c")
	})
}

// The cost of a request does not grow with the queue. The waiting tickets are of held or full
// batches.
func BenchmarkLimiter(b *testing.B) {
	for _, waiting := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) {
			l := limiter.New(math.Inf(1), time.Second)
			held, full := l.NewBatch(math.Inf(1)), l.NewBatch(1)
			held.Hold()
			ctx, cancel := context.WithCancel(b.Context())
			var all sync.WaitGroup
			defer all.Wait()
			defer cancel()
			for i := range waiting {
				all.Go(func() { _ = l.Acquire(ctx, &limiter.Ticket{Batch: []*limiter.Scope{held, full}[i%2]}) })
			}
			for held.Stats().Waiting+full.Stats().Waiting < waiting-1 {
				time.Sleep(time.Millisecond)
			}
			ticket := new(limiter.Ticket)
			for b.Loop() {
				_ = l.Acquire(ctx, ticket)
				l.Release(ticket, failed)
			}
		})
	}
}
