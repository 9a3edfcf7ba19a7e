// Package fanout runs a function for each item of a stream, many at a time, and yields the results
// as they complete.
package fanout

import (
	"context"
	"iter"
	"sync"
)

// Gate decides when the next item may be pulled.
type Gate interface {
	AwaitPull(context.Context) bool // waits until another item is wanted; false: none will be
	Pulled()                        // an item was pulled
	Yielded()                       // the loop is done with the result of an item
	InputEnded()                    // there are no more items
}

// Stream is one run. [New] makes it, so that its Stop method can be passed on before it starts.
type Stream[In, Out any] struct {
	gate    Gate
	work    func(ctx context.Context, index int, item In, out *Out)
	results chan Out
	left    chan struct{} // closed when results are not read any more

	mu       sync.Mutex
	stopped  bool // no more items are pulled
	pending  int  // items without a result, and one for the pulling itself
	panicked any  // a panic of the input or of work
}

// New returns a stream. work fills in *out, also when it ends its goroutine. A panic of work is
// raised where the results are read.
func New[In, Out any](work func(ctx context.Context, index int, item In, out *Out)) *Stream[In, Out] {
	return &Stream[In, Out]{
		work: work, results: make(chan Out), left: make(chan struct{}),
		pending: 1, // one for the pulling, until Stop
	}
}

// Run pulls items as gate permits, and yields their results. The context of work ends with the
// loop. Run reports whether all results were yielded.
func (s *Stream[In, Out]) Run(ctx context.Context, gate Gate, items iter.Seq[In], yield func(Out) bool) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(s.left)
	s.gate = gate
	go s.pull(ctx, items)
	for result := range s.results {
		if !yield(result) {
			return false
		}
		s.gate.Yielded()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panicked != nil {
		panic(s.panicked)
	}
	return true
}

// Stop ends the pulling. It does not wait for a pull in progress.
func (s *Stream[In, Out]) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		s.done()
	}
}

func (s *Stream[In, Out]) pull(ctx context.Context, items iter.Seq[In]) {
	stop := context.AfterFunc(ctx, s.Stop)
	defer stop()
	defer s.Stop()
	stopped := false
	defer func() {
		s.panics(recover())
		if !stopped {
			s.gate.InputEnded()
		}
	}()
	stopped = s.start(ctx, items)
}

// start starts the work on the items. It returns true when it stops before their end.
func (s *Stream[In, Out]) start(ctx context.Context, items iter.Seq[In]) (stopped bool) {
	if !s.gate.AwaitPull(ctx) { // also before the first item, so that none is pulled for nothing
		return true
	}
	index := 0
	for item := range items {
		if !s.add() {
			return true
		}
		go s.one(ctx, index, item)
		index++
		if !s.gate.AwaitPull(ctx) || s.isStopped() {
			return true
		}
	}
	return false
}

func (s *Stream[In, Out]) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// add counts an item, unless the results are complete.
func (s *Stream[In, Out]) add() bool {
	s.mu.Lock()
	late := s.pending == 0
	if !late {
		s.pending++
	}
	s.mu.Unlock()
	if !late {
		s.gate.Pulled() // without the lock, since the gate may call Stop under its own
	}
	return !late
}

func (s *Stream[In, Out]) one(ctx context.Context, index int, item In) {
	var out Out
	defer func() {
		if value := recover(); value != nil {
			s.Panic(value)
		} else {
			select {
			case s.results <- out:
			case <-s.left:
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done()
	}()
	s.work(ctx, index, item, &out)
}

// done closes the results when nothing is pending.
func (s *Stream[In, Out]) done() {
	if s.pending--; s.pending == 0 {
		close(s.results)
	}
}

// Panic ends the pulling. Run panics with value after the other results.
func (s *Stream[In, Out]) Panic(value any) {
	s.panics(value)
	s.Stop()
}

func (s *Stream[In, Out]) panics(value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panicked == nil {
		s.panicked = value
	}
}
