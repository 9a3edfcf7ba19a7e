// Package fanout runs a function for each item of a stream, many at a time, and yields the results as they complete.
package fanout

import (
	"context"
	"iter"
	"sync"
)

// Gate decides when another item may be pulled.
type Gate interface {
	AwaitPull(context.Context) bool // waits; false: pull no more
	Add()                           // is called for each item that was pulled, before the next one may be
	Done() <-chan struct{}          // is closed when no more is to be pulled
}

// Stream is one run. It is made by [New], so that its Stop method can be handed out before it starts.
type Stream[In, Out any] struct {
	gate    Gate
	work    func(ctx context.Context, index int, item In, out *Out)
	places  chan struct{} // one for each item that is pulled and not yet yielded
	results chan Out
	left    chan struct{} // closed when nobody reads results any more

	mu       sync.Mutex
	stopped  bool // nothing more is pulled
	pending  int  // the pulling, and the items without a result
	panicked any  // by the input, or by work
}

// New returns a stream that has at most ahead items in hand. work fills in *out, which counts also when it ends its goroutine;
// a panic is raised where the results are read.
func New[In, Out any](ahead int, work func(ctx context.Context, index int, item In, out *Out)) *Stream[In, Out] {
	return &Stream[In, Out]{
		work: work, places: make(chan struct{}, ahead), results: make(chan Out), left: make(chan struct{}),
		pending: 1, // the pulling, until Stop
	}
}

// Run pulls the items, as gate permits, and yields the results. The context that work gets ends with the loop.
func (s *Stream[In, Out]) Run(ctx context.Context, gate Gate, items iter.Seq[In], yield func(Out) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(s.left)
	s.gate = gate
	go s.pull(ctx, items)
	for result := range s.results {
		if !yield(result) {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panicked != nil {
		panic(s.panicked)
	}
}

// Stop ends the pulling. A pull that is under way is not waited for.
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
	defer func() { s.panics(recover()) }()
	if !s.reserve(ctx) {
		return
	}
	index := 0
	for item := range items {
		if !s.add() {
			return
		}
		go s.one(ctx, index, item)
		index++
		if !s.reserve(ctx) {
			return
		}
	}
}

// reserve waits for a place before an item is pulled, so that none is pulled in vain.
func (s *Stream[In, Out]) reserve(ctx context.Context) bool {
	select {
	case s.places <- struct{}{}:
		return s.gate.AwaitPull(ctx) && ctx.Err() == nil
	case <-s.gate.Done():
	case <-ctx.Done():
	}
	return false
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
		s.gate.Add() // without the lock: the gate may call Stop under its own
	}
	return !late
}

func (s *Stream[In, Out]) one(ctx context.Context, index int, item In) {
	var out Out
	defer func() {
		if value := recover(); value != nil {
			s.panics(value)
			s.Stop()
		} else {
			s.deliver(out)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done()
	}()
	s.work(ctx, index, item, &out)
}

func (s *Stream[In, Out]) deliver(out Out) {
	select {
	case s.results <- out:
		<-s.places
	case <-s.left:
	}
}

// done closes the results when nothing is pending.
func (s *Stream[In, Out]) done() {
	if s.pending--; s.pending == 0 {
		close(s.results)
	}
}

func (s *Stream[In, Out]) panics(value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panicked == nil {
		s.panicked = value
	}
}
