package trusthub

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// limiter is a gate that requests pass one by one, in the order in which they came. It bounds those in flight by a window,
// pauses, lets one go first after a pause that asks for it, and can be closed for good.
type limiter struct {
	mu       sync.Mutex
	window   window
	inFlight int
	line     list.List // of *turn, those that came first in front
	arrived  int       // turns so far
	pacedTo  time.Time // no start before, when the window is below one

	pausedTo time.Time     // no start before
	cause    *Error        // of the pause, when the server said how long
	oneFirst bool          // after the pause one goes first, and the others follow its success
	first    *turn         // the one that has gone
	longest  time.Duration // of a pause for which no time was asked
	timer    *time.Timer
	closed   error // why nobody passes any more

	successes   int
	lastSuccess time.Time
	others      int // refusals, but for those of turns that stepped aside
}

// turn is the place of one call in a limiter.
type turn struct {
	patience time.Duration   // waits for no longer pause; 0: for any
	over     <-chan struct{} // ends its waiting, if it is not nil
	place    int             // in the line; 0: behind all others
	passed   chan error      // when it waits
	cuts     int             // of the window when it was sent, so that the refusals of one round trip cut once

	refusals  int // how often it was refused while others succeeded
	inARow    int // how often it was refused
	successes int // of the limiter, when it was last refused
	others    int // of the limiter, when it stepped aside
}

// errGone is what a turn gets whose fleet is over.
var errGone = errors.New("over")

// longestPause is how long a Retry-After is heeded: one that is absurd must not end a client for good.
const longestPause = time.Hour

func newLimiter(maximum float64, longest time.Duration) *limiter {
	return &limiter{window: newWindow(maximum), longest: longest}
}

// enter waits until it is t's turn. It returns the error of ctx when that ends before, the reason why the limiter is closed,
// or the *Error that began a pause for which t has no patience.
func (l *limiter) enter(ctx context.Context, t *turn) error {
	l.mu.Lock()
	if err := l.denied(t); err != nil {
		l.mu.Unlock()
		return err
	}
	if t.place == 0 {
		l.arrived++
		t.place = l.arrived
	}
	if l.line.Len() == 0 && l.wait() == 0 {
		l.start(t)
		l.mu.Unlock()
		return nil
	}
	t.passed = make(chan error, 1)
	element := l.queue(t)
	l.serve()
	l.mu.Unlock()
	select {
	case err := <-t.passed:
		return err
	case <-ctx.Done():
	case <-t.over:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case err := <-t.passed: // came at the same moment, and has to be left like any other
		return err
	default:
		l.line.Remove(element)
		return cmp.Or(context.Cause(ctx), errGone)
	}
}

// leave ends t's turn.
func (l *limiter) leave(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	if l.first == t {
		l.first = nil
	}
	l.serve()
}

// giveBack ends a turn in which nothing was sent.
func (l *limiter) giveBack(t *turn) {
	l.mu.Lock()
	l.pacedTo = time.Time{}
	l.mu.Unlock()
	l.leave(t)
}

// ignore learns that t's request ended in a way that tells nothing of the account: the others need not wait for it.
func (l *limiter) ignore(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.inARow = 0
	if l.first == t {
		l.oneFirst = false
	}
}

// succeed learns from an answer to t's request that took so long.
func (l *limiter) succeed(t *turn, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.successes++
	l.lastSuccess = time.Now()
	if l.first == t {
		l.oneFirst, l.cause = false, nil
	}
	l.window.grow(took, !l.window.room(l.inFlight))
}

// alone is how many successes for each refusal of others mean that what is refused again and again is alone in that.
const alone = 20

// refuse learns from a 429. A turn that is refused a second time steps aside; its refusals count for nothing from then on,
// as long as others succeed and hardly anybody else is refused.
func (l *limiter) refuse(t *turn, refusal *Error, took time.Duration) (counts bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	others, successes := l.others-t.others, l.successes-t.successes
	counts = t.inARow < 2 || successes == 0 || others > 0 && others*alone >= successes
	if t.inARow++; t.inARow <= 2 {
		l.others++
	}
	if successes > 0 {
		t.refusals++
	}
	t.successes, t.others = l.successes, l.others
	if t.inARow >= 2 {
		t.place = 0
	}
	l.window.learn(took)
	switch {
	case !counts:
	case refusal.RetryAfter > 0:
		l.pause(min(refusal.RetryAfter, longestPause), true, refusal)
	case t.cuts == l.window.cuts:
		l.pause(min(l.window.slot(l.inFlight), l.longest), false, nil)
	}
	if counts {
		l.cutOnce(t)
	}
	return counts
}

// cut learns from a 429 that another limiter has judged.
func (l *limiter) cut(t *turn, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window.learn(took)
	l.cutOnce(t)
}

// cutOnce cuts the window, unless another refusal of the same round trip has.
func (l *limiter) cutOnce(t *turn) {
	if t.cuts == l.window.cuts {
		l.window.cut()
	}
}

// pause lets nobody start for d.
func (l *limiter) pause(d time.Duration, oneFirst bool, cause *Error) {
	until := time.Now().Add(d)
	if until.Before(l.pausedTo) {
		return
	}
	l.pausedTo, l.cause = until, cause
	l.oneFirst = l.oneFirst || oneFirst
	for element := l.line.Front(); element != nil; {
		t, next := element.Value.(*turn), element.Next()
		if err := l.denied(t); err != nil {
			l.line.Remove(element)
			t.passed <- err
		}
		element = next
	}
}

// denied says why t need not wait.
func (l *limiter) denied(t *turn) error {
	if l.closed != nil {
		return l.closed
	}
	if l.cause == nil || t.patience == 0 {
		return nil
	}
	left := time.Until(l.pausedTo)
	if left <= t.patience {
		return nil
	}
	refusal := *l.cause
	refusal.RetryAfter = left
	return &refusal
}

// wait returns how long it is until the next may start; negative: until somebody leaves.
func (l *limiter) wait() time.Duration {
	switch {
	case l.oneFirst && l.first != nil, !l.oneFirst && !l.window.room(l.inFlight):
		return -1
	}
	from := l.pausedTo
	if l.window.limit < 1 && l.pacedTo.After(from) {
		from = l.pacedTo
	}
	if from.IsZero() {
		return 0
	}
	return max(time.Until(from), 0)
}

// serve lets pass those who wait longest, or comes back when it is time.
func (l *limiter) serve() {
	for l.line.Len() > 0 {
		wait := l.wait()
		if wait > 0 && l.timer == nil {
			l.timer = time.AfterFunc(wait, func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.serve()
			})
		} else if wait > 0 {
			l.timer.Reset(wait)
		}
		if wait != 0 {
			return
		}
		t := l.line.Remove(l.line.Front()).(*turn)
		l.start(t)
		t.passed <- nil
	}
}

func (l *limiter) start(t *turn) {
	l.inFlight++
	t.cuts = l.window.cuts
	if l.oneFirst {
		l.first = t
	}
	if pace := l.window.pace(); pace > 0 {
		l.pacedTo = time.Now().Add(pace)
	}
}

// queue puts t into the line, by its place.
func (l *limiter) queue(t *turn) *list.Element {
	for element := l.line.Back(); element != nil; element = element.Prev() {
		if element.Value.(*turn).place < t.place {
			return l.line.InsertAfter(t, element)
		}
	}
	return l.line.PushFront(t)
}

// shut ends the waiting of all, now and from now on.
func (l *limiter) shut(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return
	}
	l.closed = err
	for l.line.Len() > 0 {
		l.line.Remove(l.line.Front()).(*turn).passed <- err
	}
}

// hold pauses for d, after which one goes first.
func (l *limiter) hold(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pause(d, true, nil)
}

// hurry lets the next one go first at once.
func (l *limiter) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pausedTo = time.Time{}
	l.serve()
}

// resume ends a pause.
func (l *limiter) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pausedTo, l.cause, l.oneFirst = time.Time{}, nil, false
	l.serve()
}

// barred reports whether t must go back in the line: it passed, but before it could start, a pause began.
func (l *limiter) barred(t *turn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed != nil || l.oneFirst && l.first != t
}

// leads reports whether t is the one that has gone first.
func (l *limiter) leads(t *turn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first == t
}

// thrives reports whether there was a success within that time.
func (l *limiter) thrives(within time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.lastSuccess.IsZero() && time.Since(l.lastSuccess) <= within
}
