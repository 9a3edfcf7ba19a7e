// Package limiter bounds the requests in flight, adapts the bound to a limit that the server does
// not publish, and pauses when the server asks for it. It does not depend on HTTP: its callers
// report how each request ended.
//
// window is the bound, CUBIC by round trips. queue decides which request is sent next. [Limiter]
// adds a lock, the clock and the waiting.
package limiter

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
)

// Limiter admits the requests of a client in the order of their arrival. Use [New].
type Limiter struct {
	mu    sync.Mutex
	queue queue
	timer *time.Timer
}

// Scope is the requests of one batch, or of the whole client, with their own bound.
type Scope struct {
	limiter  *Limiter
	window   window
	inFlight int
	queue    tickets
	pacedTo  time.Time // no start before, while the window is below one
	held     bool      // only the probe may start
	probe    *Ticket
	closed   error // the error of all tickets after Close
}

// Ticket is the place of one call in a Limiter. A call keeps it for all attempts. It belongs to one
// goroutine.
type Ticket struct {
	Batch    *Scope        // the batch of the call; nil: none
	First    bool          // before the other tickets of its batch, until it gets two 429s in a row
	MaxPause time.Duration // Acquire fails for a longer pause; 0: it waits for any

	place    int        // order of arrival; 0: behind all others; ahead: before all scopes
	index    int        // in the heap of its scope
	queued   bool       // it is in the heap
	admitted chan error // for the outcome of the wait
	// cuts of the windows when it was admitted, so that the 429s of one round trip cut once
	cuts [2]int

	throttled    int // 429s while other tickets succeeded
	inARow       int // 429s since the last other outcome
	sawSuccesses int // queue.successes at its last 429
	sawThrottled int // queue.throttled at its last 429
}

// ahead is the place before those of all scopes.
const ahead = -1

// Throttling is the reaction of the limiter to a 429.
type Throttling struct {
	Paused bool // all tickets wait; otherwise this one is isolated, and waits on its own
	Behind bool // the ticket went to the back of the queue, after two 429s in a row
	Times  int  // number of 429s of the ticket while others succeeded
}

// PausedError is the error of [Limiter.Acquire] when a pause is longer than the ticket's MaxPause.
type PausedError struct {
	Remaining time.Duration
	Cause     error // the 429 that began the pause
}

func (e *PausedError) Error() string {
	return fmt.Sprintf("paused for another %v: %v", e.Remaining, e.Cause)
}

// Unwrap returns the cause of the pause.
func (e *PausedError) Unwrap() error { return e.Cause }

// New returns a limiter for up to limit requests in flight; +Inf: any number. maxSlotPause bounds a
// pause for which the server named no time.
func New(limit float64, maxSlotPause time.Duration) *Limiter {
	l := &Limiter{queue: queue{maxSlotPause: maxSlotPause, client: Scope{window: newWindow(limit)}}}
	l.queue.client.limiter = l
	return l
}

// NewBatch returns the scope of a batch with up to limit requests in flight.
func (l *Limiter) NewBatch(limit float64) *Scope { return &Scope{limiter: l, window: newWindow(limit)} }

// Acquire waits until t may send a request. After each success, call [Limiter.Release] once. It
// fails with the cause of ctx, a [*PausedError], or the error of [Scope.Close].
func (l *Limiter) Acquire(ctx context.Context, t *Ticket) error {
	l.mu.Lock()
	now := time.Now()
	if err := l.queue.rejects(t, now); err != nil {
		l.mu.Unlock()
		return err
	}
	if t.place == 0 {
		l.queue.arrived++
		t.place = l.queue.arrived
	}
	l.queue.add(t)
	if next, _ := l.queue.next(now); next == t { // admitted at once, without a channel
		l.admit(t, now)
		l.mu.Unlock()
		return nil
	}
	admitted := make(chan error, 1)
	t.admitted = admitted
	l.serve()
	l.mu.Unlock()
	select {
	case err := <-admitted:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.queued { // admitted at the same moment: release it like any other
		return <-admitted
	}
	l.queue.remove(t)
	return context.Cause(ctx)
}

// Release ends the request of t and takes its outcome; nil: there was none.
func (l *Limiter) Release(t *Ticket, o *attempt.Outcome) (throttling Throttling) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch now := time.Now(); {
	case o == nil:
	case o.Kind == attempt.Throttled:
		throttling = l.queue.throttle(t, o.Took, o.RetryAfter, o.Err, now)
		l.reject(&l.queue.client)
	case o.Conclusive():
		l.queue.succeed(t, o.Took, now)
	default:
		l.queue.fail(t)
	}
	l.queue.release(t)
	l.serve()
	return throttling
}

// Hold stops all tickets of the batch except its probe.
func (s *Scope) Hold() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.held, s.probe = true, nil
}

// Probe admits t before all others, also during a hold.
func (s *Scope) Probe(t *Ticket) {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.probe = t
	t.place, t.First = ahead, true
	if t.queued {
		heap.Fix(&s.queue, t.index)
	}
	s.limiter.serve()
}

// Resume ends a hold.
func (s *Scope) Resume() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.held, s.probe = false, nil
	s.limiter.serve()
}

// Close rejects all tickets of the batch with err, the waiting and the future ones.
func (s *Scope) Close(err error) {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	if s.closed == nil {
		s.closed = err
		s.limiter.reject(s)
	}
}

// SucceededWithin reports whether the last success is at most d old.
func (l *Limiter) SucceededWithin(d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.queue.lastSuccess.IsZero() && time.Since(l.queue.lastSuccess) <= d
}

// RetryAfter returns the rest of a pause for which the server named the time.
func (l *Limiter) RetryAfter() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue.cause == nil {
		return 0
	}
	return remaining(l.queue.pausedTo, time.Now())
}

// Stats is a snapshot.
type Stats struct {
	Limit    float64 // 0: none
	InFlight int
	Waiting  int           // in the queue of the scope
	Paused   time.Duration // the rest of a pause of the client
}

// Stats returns a snapshot of the client. Waiting does not count the batches.
func (l *Limiter) Stats() Stats { return l.queue.client.Stats() }

// Stats returns a snapshot of the batch.
func (s *Scope) Stats() Stats {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	stats := Stats{
		InFlight: s.inFlight, Waiting: len(s.queue),
		Paused: remaining(s.limiter.queue.pausedTo, time.Now()),
	}
	if s.window.isBounded() {
		stats.Limit = s.window.limit
	}
	return stats
}

// serve admits all tickets that it may, and sets a timer for the next one.
func (l *Limiter) serve() {
	for {
		now := time.Now()
		t, wait := l.queue.next(now)
		switch {
		case t != nil:
			l.admit(t, now)
			t.admitted <- nil
			continue
		case wait > 0 && l.timer == nil:
			l.timer = time.AfterFunc(wait, func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.serve()
			})
		case wait > 0:
			l.timer.Reset(wait)
		}
		return
	}
}

func (l *Limiter) admit(t *Ticket, now time.Time) {
	l.queue.remove(t)
	l.queue.admit(t, now)
}

// reject wakes the tickets of s that get an error.
func (l *Limiter) reject(s *Scope) {
	now := time.Now()
	for _, t := range slices.Clone(s.queue) {
		if err := l.queue.rejects(t, now); err != nil {
			l.queue.remove(t)
			t.admitted <- err
		}
	}
}
