// Package limiter bounds how many requests are in flight, adapts that bound to a limit that the server does not publish, and pauses when
// the server asks for it. It knows nothing of HTTP: its callers tell it how each request ended.
package limiter

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// PausedError is returned by [Limiter.Acquire] instead of waiting for a pause that is longer than the ticket's MaxPause.
type PausedError struct {
	Remaining time.Duration
	Cause     error // what the pause was begun with
}

func (e *PausedError) Error() string {
	return fmt.Sprintf("paused for another %v: %v", e.Remaining, e.Cause)
}

// Unwrap returns the cause of the pause.
func (e *PausedError) Unwrap() error { return e.Cause }

// maxPause caps a Retry-After: an absurd one must not disable a client for good.
const maxPause = time.Hour

// isolation is how many successes of others for each of their 429s show that a request which is throttled again and again is alone in that.
const isolation = 20

// Limiter admits the requests of a client in the order in which they arrived. The zero value is not usable; see [New].
type Limiter struct {
	mu      sync.Mutex
	queue   list.List // of *Ticket, the oldest in front
	arrived int       // tickets so far
	timer   *time.Timer
	client  Scope

	maxSlotPause time.Duration // caps a pause for which the server named no time
	successes    int
	lastSuccess  time.Time
	throttled    int // 429s, without those of isolated tickets
}

// Scope is a set of requests that share a bound and pauses: all of a client, or those of one batch.
type Scope struct {
	limiter  *Limiter
	window   window
	inFlight int
	waiting  int
	pacedTo  time.Time // no start before, while the window is below one
	pausedTo time.Time // no start before
	cause    error     // of the pause, when the server said how long
	probing  bool      // after the pause a single request goes first
	probe    *Ticket   // the request that has gone first
	closed   error     // why nothing is admitted any more
}

// Ticket is the place of one call in a Limiter. It is kept from one attempt to the next, and used by one goroutine.
type Ticket struct {
	Batch    *Scope        // besides the client's; nil: none
	MaxPause time.Duration // fail instead of waiting for a longer pause of the client; 0: wait for any

	place    int        // in the queue; 0: behind all others
	admitted chan error // while it waits
	cuts     [2]int     // of the windows when it was admitted, so that the 429s of one round trip cut once

	throttled    int // 429s while others succeeded
	inARow       int // 429s since the last other outcome
	sawSuccesses int // of the limiter, at its last 429
	sawThrottled int // of the limiter, at its last 429
}

// New returns a limiter of at most max requests in flight, +Inf for any number. It pauses for at most maxSlotPause when the server
// sends a 429 without a time.
func New(max float64, maxSlotPause time.Duration) *Limiter {
	l := &Limiter{maxSlotPause: maxSlotPause, client: Scope{window: newWindow(max)}}
	l.client.limiter = l
	return l
}

// NewBatch returns the scope of a batch of at most max requests in flight.
func (l *Limiter) NewBatch(max float64) *Scope { return &Scope{limiter: l, window: newWindow(max)} }

// Acquire waits until t may send a request. Each success is followed by one [Limiter.Release]. It fails with the cause of ctx, a
// [*PausedError], or the error of [Scope.Close].
func (l *Limiter) Acquire(ctx context.Context, t *Ticket) error {
	l.mu.Lock()
	if err := l.rejects(t); err != nil {
		l.mu.Unlock()
		return err
	}
	if t.place == 0 {
		l.arrived++
		t.place = l.arrived
	}
	if l.queue.Len() == 0 && l.client.wait() == 0 && (t.Batch == nil || t.Batch.wait() == 0) {
		l.admit(t)
		l.mu.Unlock()
		return nil
	}
	t.admitted = make(chan error, 1)
	element := l.enqueue(t)
	l.serve()
	l.mu.Unlock()
	select {
	case err := <-t.admitted:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case err := <-t.admitted: // at the same moment: it has to be released like any other
		return err
	default:
		l.dequeue(element)
		return context.Cause(ctx)
	}
}

// Release ends t's request.
func (l *Limiter) Release(t *Ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client.release(t)
	if t.Batch != nil {
		t.Batch.release(t)
	}
	l.serve()
}

func (s *Scope) release(t *Ticket) {
	s.inFlight--
	if s.probe == t {
		s.probe = nil
	}
}

// Succeeded learns from an answer that took so long.
func (l *Limiter) Succeeded(t *Ticket, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.successes++
	l.lastSuccess = time.Now()
	l.client.succeeded(t, took)
}

// Succeeded learns from an answer that took so long.
func (s *Scope) Succeeded(t *Ticket, took time.Duration) {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.succeeded(t, took)
}

func (s *Scope) succeeded(t *Ticket, took time.Duration) {
	if s.probe == t {
		s.probing, s.cause = false, nil
	}
	s.window.grow(took, !s.window.room(s.inFlight))
}

// Failed learns that a request ended in a way that says nothing about the server's limit: others need not wait for its outcome.
func (l *Limiter) Failed(t *Ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.inARow = 0
	if l.client.probe == t {
		l.client.probing = false
	}
}

// Throttling is what the 429s of one ticket come to.
type Throttling struct {
	Paused bool // everybody waits; otherwise the ticket is isolated, and waits on its own
	Behind bool // it has been sent to the back of the queue, since it was throttled twice in a row
	Times  int  // how often it was throttled while others succeeded
}

// Throttled learns from a 429. A ticket that gets a second one in a row goes to the back of the queue; from then on its 429s count for
// nothing as long as others succeed and hardly any other ticket is throttled.
func (l *Limiter) Throttled(t *Ticket, took, retryAfter time.Duration, cause error) Throttling {
	l.mu.Lock()
	defer l.mu.Unlock()
	others, successes := l.throttled-t.sawThrottled, l.successes-t.sawSuccesses
	counts := t.inARow < 2 || successes == 0 || others > 0 && others*isolation >= successes
	if t.inARow++; t.inARow <= 2 {
		l.throttled++
	}
	if successes > 0 {
		t.throttled++
	}
	t.sawSuccesses, t.sawThrottled = l.successes, l.throttled
	if t.inARow >= 2 {
		t.place = 0
	}
	c := &l.client
	c.window.learn(took)
	switch {
	case !counts:
	case retryAfter > 0:
		c.pause(min(retryAfter, maxPause), true, cause)
	case t.cuts[0] == c.window.cuts:
		c.pause(min(c.window.slot(c.inFlight), l.maxSlotPause), false, nil)
	}
	if counts {
		c.cutOnce(t.cuts[0])
	}
	if counts && t.Batch != nil {
		t.Batch.window.learn(took)
		t.Batch.cutOnce(t.cuts[1])
	}
	return Throttling{counts, t.inARow >= 2, t.throttled}
}

// cutOnce cuts the window, unless another 429 of the same round trip has.
func (s *Scope) cutOnce(cuts int) {
	if cuts == s.window.cuts {
		s.window.cut()
	}
}

// Pause admits nothing for d, and then a single request, whose outcome decides about the others.
func (s *Scope) Pause(d time.Duration) {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.pause(d, true, nil)
}

// ProbeNow ends the pause for a single request.
func (s *Scope) ProbeNow() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.pausedTo = time.Time{}
	s.limiter.serve()
}

// Resume ends the pause.
func (s *Scope) Resume() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.pausedTo, s.cause, s.probing = time.Time{}, nil, false
	s.limiter.serve()
}

// Close rejects all tickets with err, those that wait and those to come.
func (s *Scope) Close(err error) {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	if s.closed == nil {
		s.closed = err
		s.limiter.reject()
	}
}

// IsProbe reports whether t is the single request after a pause.
func (s *Scope) IsProbe(t *Ticket) bool {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	return s.probe == t
}

// SucceededWithin reports whether the last success is at most d ago.
func (l *Limiter) SucceededWithin(d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.lastSuccess.IsZero() && time.Since(l.lastSuccess) <= d
}

// Requeue sends t to the back of the queue for its next attempt.
func (t *Ticket) Requeue() { t.place = 0 }

// Stats is a snapshot.
type Stats struct {
	Limit    float64 // 0: none
	InFlight int
	Waiting  int
	Paused   time.Duration // what is left of a pause
}

// Stats returns a snapshot.
func (l *Limiter) Stats() Stats { return l.client.Stats() }

// Stats returns a snapshot.
func (s *Scope) Stats() Stats {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	stats := Stats{InFlight: s.inFlight, Waiting: s.waiting, Paused: max(time.Until(s.pausedTo), 0)}
	if s.window.isBounded() {
		stats.Limit = s.window.limit
	}
	return stats
}

func (s *Scope) pause(d time.Duration, probing bool, cause error) {
	until := time.Now().Add(d)
	if until.Before(s.pausedTo) {
		return
	}
	s.pausedTo, s.cause = until, cause
	s.probing = s.probing || probing
	s.limiter.reject()
}

// reject ends the waiting of those who need not wait.
func (l *Limiter) reject() {
	for element := l.queue.Front(); element != nil; {
		t, next := element.Value.(*Ticket), element.Next()
		if err := l.rejects(t); err != nil {
			l.dequeue(element)
			t.admitted <- err
		}
		element = next
	}
}

// rejects returns why t need not wait.
func (l *Limiter) rejects(t *Ticket) error {
	if t.Batch != nil && t.Batch.closed != nil {
		return t.Batch.closed
	}
	if l.client.cause == nil || t.MaxPause == 0 {
		return nil
	}
	left := time.Until(l.client.pausedTo)
	if left <= t.MaxPause {
		return nil
	}
	return &PausedError{left, l.client.cause}
}

// wait returns how long it is until the next request may start; negative: until one ends.
func (s *Scope) wait() time.Duration {
	if s.probing && s.probe != nil || !s.probing && !s.window.room(s.inFlight) {
		return -1
	}
	from := s.pausedTo
	if s.window.limit < 1 && s.pacedTo.After(from) {
		from = s.pacedTo
	}
	if from.IsZero() {
		return 0
	}
	return max(time.Until(from), 0)
}

// serve admits those who have waited longest, but for those whose batch holds, or comes back when it is time.
func (l *Limiter) serve() {
	soonest := time.Duration(-1)
	for element := l.queue.Front(); element != nil; {
		t, next := element.Value.(*Ticket), element.Next()
		client := l.client.wait()
		wait := client
		if t.Batch != nil {
			if batch := t.Batch.wait(); batch < 0 || wait < 0 {
				wait = -1
			} else {
				wait = max(wait, batch)
			}
		}
		switch {
		case wait == 0:
			l.dequeue(element)
			l.admit(t)
			t.admitted <- nil
		case wait > 0 && (soonest < 0 || wait < soonest):
			soonest = wait
		}
		if client < 0 {
			break
		}
		element = next
	}
	switch {
	case soonest < 0:
	case l.timer == nil:
		l.timer = time.AfterFunc(soonest, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.serve()
		})
	default:
		l.timer.Reset(soonest)
	}
}

func (l *Limiter) admit(t *Ticket) {
	t.cuts[0] = l.client.admit(t)
	if t.Batch != nil {
		t.cuts[1] = t.Batch.admit(t)
	}
}

func (s *Scope) admit(t *Ticket) (cuts int) {
	s.inFlight++
	if s.probing {
		s.probe = t
	}
	if pace := s.window.pace(); pace > 0 {
		s.pacedTo = time.Now().Add(pace)
	}
	return s.window.cuts
}

// enqueue puts t into the queue, by its place.
func (l *Limiter) enqueue(t *Ticket) *list.Element {
	l.count(t, 1)
	for element := l.queue.Back(); element != nil; element = element.Prev() {
		if element.Value.(*Ticket).place < t.place {
			return l.queue.InsertAfter(t, element)
		}
	}
	return l.queue.PushFront(t)
}

func (l *Limiter) dequeue(element *list.Element) {
	l.count(l.queue.Remove(element).(*Ticket), -1)
}

// count keeps the number of those who wait, by the scope that counts them.
func (l *Limiter) count(t *Ticket, n int) {
	if t.Batch != nil {
		t.Batch.waiting += n
	} else {
		l.client.waiting += n
	}
}
