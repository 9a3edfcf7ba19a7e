package fanout_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub/internal/fanout"
)

// gate limits the items that are pulled and not yielded, and counts its calls.
type gate struct {
	places                 chan struct{}
	pulled, yielded, ended atomic.Int64
	closed                 chan struct{} // closed when no more items may be pulled
}

func newGate(ahead int) *gate {
	return &gate{places: make(chan struct{}, ahead), closed: make(chan struct{})}
}

func (g *gate) AwaitPull(ctx context.Context) bool {
	select {
	case g.places <- struct{}{}:
		return ctx.Err() == nil
	case <-ctx.Done():
	case <-g.closed:
	}
	return false
}

func (g *gate) Pulled()     { g.pulled.Add(1) }
func (g *gate) Yielded()    { g.yielded.Add(1); <-g.places }
func (g *gate) InputEnded() { g.ended.Add(1) }

// stream returns a Stream that calls work for each item.
func stream(work func(context.Context, int) int) *fanout.Stream[int, int] {
	return fanout.New(func(ctx context.Context, _ int, item int, out *int) { *out = work(ctx, item) })
}

// collect returns the results in the order of completion.
func collect(ctx context.Context, g *gate, s *fanout.Stream[int, int], items iter.Seq[int]) (got []int) {
	s.Run(ctx, g, items, func(out int) bool { got = append(got, out); return true })
	return got
}

// upTo yields the numbers below n and counts the pulled ones.
func upTo(n int, pulled *atomic.Int64) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			pulled.Add(1)
			if !yield(i) {
				return
			}
		}
	}
}

func TestEachItemYieldsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type numbered struct{ index, item int }
		s := fanout.New(func(_ context.Context, index, item int, out *numbered) { *out = numbered{index, item} })
		g, seen := newGate(4), make(map[numbered]int)
		whole := s.Run(t.Context(), g, func(yield func(int) bool) {
			for i := range 100 {
				if !yield(2 * i) {
					return
				}
			}
		}, func(out numbered) bool { seen[out]++; return true })
		synctest.Wait()
		if len(seen) != 100 || !whole || g.pulled.Load() != 100 || g.yielded.Load() != 100 || g.ended.Load() != 1 {
			t.Errorf("%d results, whole %v, gate %+v", len(seen), whole, g)
		}
		for out, times := range seen {
			if times != 1 || out.item != 2*out.index {
				t.Errorf("%+v came %d times", out, times)
			}
		}
	})
}

// An item keeps its place while the loop body handles its result, so that the next pull sees what
// the body has done.
func TestItemHoldsItsPlaceInTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, before := newGate(4), int64(0)
		stream(func(_ context.Context, item int) int { return item }).Run(t.Context(), g, upTo(8, new(atomic.Int64)), func(int) bool {
			synctest.Wait()
			if got := g.yielded.Load(); got != before {
				t.Errorf("%d items are done, %d results were before", got, before)
			}
			before++
			return true
		})
	})
}

func TestOrderIsOfCompletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stream(func(_ context.Context, item int) int { time.Sleep(time.Duration(9-item) * time.Second); return item })
		if got := collect(t.Context(), newGate(4), s, upTo(4, new(atomic.Int64))); !slices.Equal(got, []int{3, 2, 1, 0}) {
			t.Errorf("got %v", got)
		}
	})
}

// A result is yielded without a wait for the next item of the input.
func TestResultsDoNotWaitForTheInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var times []time.Duration
		s := stream(func(_ context.Context, item int) int { return item })
		s.Run(t.Context(), newGate(4), func(yield func(int) bool) {
			for i := range 3 {
				if !yield(i) {
					return
				}
				time.Sleep(time.Hour)
			}
		}, func(int) bool { times = append(times, time.Since(start)); return true })
		if want := []time.Duration{0, time.Hour, 2 * time.Hour}; !slices.Equal(times, want) {
			t.Errorf("results after %v", times)
		}
	})
}

// A slow loop body delays the input, so memory is bounded.
func TestItemsArePulledLazily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pulled atomic.Int64
		results := 0
		s := stream(func(_ context.Context, item int) int { return item })
		s.Run(t.Context(), newGate(16), upTo(1000, &pulled), func(int) bool {
			synctest.Wait()
			if ahead := int(pulled.Load()) - results; ahead > 16+1 {
				t.Errorf("%d pulled ahead", ahead)
				return false
			}
			results++
			return true
		})
		if results != 1000 {
			t.Errorf("%d results", results)
		}
	})
}

// Many items need no more memory than a few.
func TestMemoryIsConstant(t *testing.T) {
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	const many = 200_000
	var early uint64
	results := 0
	s := stream(func(_ context.Context, item int) int { return item })
	s.Run(t.Context(), newGate(32), upTo(many, new(atomic.Int64)), func(int) bool {
		if results++; results == many/4 { // goroutines and buffers are allocated by then
			early = heap()
		}
		if results%(many/4) == 0 {
			if now := heap(); now > early+1<<20 {
				t.Errorf("%d bytes after %d results, %d early on", now, results, early)
			}
		}
		return true
	})
	if results != many {
		t.Errorf("%d results", results)
	}
}

// A break ends the work in progress and returns at once. No goroutine is left; synctest would
// report it.
func TestLoopIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started, ended atomic.Int64
		s := stream(func(ctx context.Context, item int) int {
			if started.Add(1) == 1 {
				return item
			}
			<-ctx.Done()
			time.Sleep(time.Hour) // longer than Run takes
			ended.Add(1)
			return 0
		})
		g, start := newGate(16), time.Now()
		whole := s.Run(t.Context(), g, upTo(100, new(atomic.Int64)), func(int) bool { synctest.Wait(); return false })
		if whole || started.Load() < 2 || time.Since(start) != 0 {
			t.Errorf("whole %v, %d started, after %v", whole, started.Load(), time.Since(start))
		}
		time.Sleep(2 * time.Hour)
		if ended.Load() != started.Load()-1 {
			t.Errorf("%d started, %d ended", started.Load(), ended.Load())
		}
	})
}

// When the context ends, items in progress yield their results. No more items are pulled, and Run
// does not wait for a pull in progress.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		input := make(chan int, 3)
		for i := range cap(input) {
			input <- i
		}
		hang := func(ctx context.Context, item int) int { <-ctx.Done(); return item }
		g, start := newGate(16), time.Now()
		got := collect(ctx, g, stream(hang), func(yield func(int) bool) {
			for item := range input { // blocks after three items
				if !yield(item) {
					return
				}
			}
		})
		if len(got) != 3 || time.Since(start) != time.Second || g.ended.Load() != 0 {
			t.Errorf("%d results after %v, gate %+v", len(got), time.Since(start), g)
		}
		input <- 4 // lets the pull and its goroutine end
		synctest.Wait()
		if g.pulled.Load() != 3 {
			t.Errorf("%d pulled in time", g.pulled.Load())
		}

		if got := collect(ctx, newGate(16), stream(hang), upTo(3, new(atomic.Int64))); len(got) > 0 {
			t.Errorf("got %v of an ended context", got)
		}
	})
}

// An item that arrives after the end of the context, while others are in progress, still yields its
// result.
func TestLateItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := stream(func(ctx context.Context, item int) int { <-ctx.Done(); time.Sleep(2 * time.Second); return item })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got := collect(ctx, newGate(16), slow, func(yield func(int) bool) {
			yield(1)
			time.Sleep(2 * time.Second)
			yield(2)
		})
		if len(got) != 2 {
			t.Errorf("got %v", got)
		}
	})
}

// Every pulled item yields a result, also when the context ends.
func TestPulledItemsAreNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1050*time.Millisecond)
		defer cancel()
		var pulled atomic.Int64
		s := stream(func(_ context.Context, item int) int { time.Sleep(100 * time.Millisecond); return item })
		got := collect(ctx, newGate(16), s, upTo(1_000_000, &pulled))
		if len(got) != int(pulled.Load()) || len(got) < 100 {
			t.Errorf("%d results of %d pulled", len(got), pulled.Load())
		}
	})
}

// Stop and a closed gate end the pulling. Items in progress still yield their results.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *fanout.Stream[int, int]
		s = stream(func(_ context.Context, item int) int {
			if item == 10 {
				s.Stop()
				s.Stop()
			}
			return item
		})
		if got := collect(t.Context(), newGate(1), s, upTo(1000, new(atomic.Int64))); len(got) < 11 || len(got) > 13 {
			t.Errorf("%d results", len(got))
		}
		g := newGate(2)
		close(g.closed)
		g.places <- struct{}{}
		g.places <- struct{}{} // no place is left
		if got := collect(t.Context(), g, stream(func(_ context.Context, item int) int { return item }), upTo(1000, new(atomic.Int64))); len(got) > 0 || g.ended.Load() > 0 {
			t.Errorf("a closed gate: got %v", got)
		}
	})
}

// A panic of the input or of the work is raised in the goroutine of the loop, after the other
// results. It can be recovered there.
func TestPanics(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		work    func(context.Context, int) int
		results int
	}{
		"input": {func(_ context.Context, item int) int { time.Sleep(time.Second); return item }, 5},
		"work": {func(_ context.Context, item int) int {
			if item == 2 {
				panic(broken)
			}
			time.Sleep(time.Second)
			return item
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				input := func(yield func(int) bool) {
					for i := range 5 {
						if !yield(i) {
							return
						}
					}
					panic(broken)
				}
				results := 0
				func() {
					defer func() {
						if value, _ := recover().(error); !errors.Is(value, broken) {
							t.Errorf("recovered %v", value)
						}
					}()
					stream(test.work).Run(t.Context(), newGate(16), input, func(int) bool { results++; return true })
					t.Error("the loop ended without a panic")
				}()
				if results != test.results {
					t.Errorf("%d results", results)
				}
				stream(test.work).Run(t.Context(), newGate(16), input, func(int) bool { return false })
				time.Sleep(time.Minute) // time for the goroutines to end after break
			})
		})
	}
}

// When work ends its goroutine, like a mock that calls t.Fatal, only this item fails. Its result
// has the values set before.
func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fanout.New(func(_ context.Context, _ int, item string, out *string) {
			*out = "failed " + item
			if item == "b" {
				runtime.Goexit()
			}
			*out = item
		})
		var got []string
		s.Run(t.Context(), newGate(4), slices.Values([]string{"a", "b", "c"}), func(out string) bool { got = append(got, out); return true })
		slices.Sort(got)
		if !slices.Equal(got, []string{"a", "c", "failed b"}) {
			t.Errorf("got %q", got)
		}
	})
}
