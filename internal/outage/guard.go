// Package outage keeps a batch of calls from being lost to an outage of the API. It learns from the outcome of each request whether the
// API is down or single calls fail; while the API is down it holds the batch and lets single requests probe; and it ends the batch
// when there has been no success for too long, or when no call can succeed.
//
// What it decides is in three parts that hold no lock, read no clock and do nothing by themselves: breaker, blame and deadline. [Guard]
// puts them together, and acts on the limiter of the batch.
package outage

import (
	"context"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/retry"
)

// Config is what a Guard is made of.
type Config struct {
	Gate      *limiter.Scope // of the batch
	Retry     retry.Policy
	MaxOutage time.Duration                               // without a success; negative: the batch does not hold
	Grace     time.Duration                               // for what is in flight when MaxOutage is over
	CanReauth bool                                        // whether signing once more may help against a 401
	Stop      func()                                      // is called once, when the batch ends
	NewError  func(err error, outage time.Duration) error // the error of calls that the end of the batch cuts short; outage is 0 when it was none
	OnChange  func(begun bool, cause error)               // is called, without a lock, when an outage is confirmed and when it is over; nil: not at all
}

// Guard watches over one batch. It is safe for concurrent use.
type Guard struct {
	Config
	over chan struct{}

	mu        sync.Mutex
	breaker   breaker
	blame     blame
	deadline  deadline
	calls     int // in hand
	undecided int // calls that have used up their attempts and wait for a verdict
	last      error
	ended     error
	outage    time.Duration // that ended the batch; 0: it has not, or for another reason
	timer     *time.Timer
	changed   chan struct{} // closed at the next change, when somebody waits for it
	notices   []func()      // to call when the lock is given back
}

// Call is what a Guard knows of one call.
type Call struct {
	Retry    *retry.Call
	Ticket   *limiter.Ticket
	record   record
	reauthed bool
}

// New returns a guard of a batch without calls.
func New(cfg Config) *Guard {
	return &Guard{
		Config: cfg, over: make(chan struct{}), deadline: deadline{limit: cfg.MaxOutage},
		breaker: breaker{backoff: retry.NewBackoff(cfg.Retry.MinWait, cfg.Retry.MaxWait)},
	}
}

// Done is closed when the batch has ended.
func (g *Guard) Done() <-chan struct{} { return g.over }

// Add is called for each call that begins.
func (g *Guard) Add() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
}

// Remove is called for each call that ends. It reports the outage that ended the batch, 0 if none did.
func (g *Guard) Remove() (outage time.Duration) {
	g.mu.Lock()
	defer g.unlock()
	if g.calls--; g.calls == 0 {
		g.deadline.idle()
		if g.breaker.isOpen() {
			g.breaker.confirmed = false // nobody knows whether it is over
			g.close()
		}
	}
	g.wake()
	g.judge() // those that are left may be waiting for a verdict
	return g.outage
}

// Delayed is called when a call has to wait for a long pause that another call of the client has begun.
func (g *Guard) Delayed(err error) {
	g.mu.Lock()
	defer g.unlock()
	g.noSuccess(err)
}

// Observe is called with the outcome of each request, before the next one can start.
func (g *Guard) Observe(c *Call, o *attempt.Outcome) {
	g.mu.Lock()
	defer g.unlock()
	switch {
	case o.Kind == attempt.Unauthorized && g.mayReauth(c):
	case o.Kind == attempt.Unauthorized || o.Kind == attempt.Fatal:
		g.end(o.Err, 0)
	case g.isOutage(o):
		g.failed(c, o)
	case o.Kind == attempt.Throttled:
		g.noSuccess(o.Err)
	case o.Conclusive():
		g.Gate.Succeeded(c.Ticket, o.Took)
		g.succeeded(o.SentAt)
	}
}

// Next decides what follows a failure that has been observed. It may wait for news.
func (g *Guard) Next(ctx context.Context, c *Call, o *attempt.Outcome, t limiter.Throttling) retry.Decision {
	g.mu.Lock()
	ended, reauth := g.ended != nil, g.mayReauth(c)
	held := g.breaker.isOpen() && (!g.blame.isToBlame(&c.record) || !c.Retry.Exhausted())
	g.mu.Unlock()
	again := retry.Decision{Again: true}
	switch {
	case ended:
		return retry.Stop
	case o.Kind == attempt.Unauthorized && reauth:
		c.reauthed = true
		return again
	case g.MaxOutage < 0:
		return c.Retry.Next(o, t)
	case !o.Retryable():
		return retry.Stop
	case o.Kind == attempt.Throttled:
		return c.Retry.NextThrottled(o, t)
	case held:
		return again
	case o.RetryAfter > g.MaxOutage, !c.Retry.TakeRetry():
		again.Again = g.isExcused(ctx, c)
		return again
	}
	again.Wait = c.Retry.Wait(o, t)
	return again
}

// isExcused waits until it is known whether a call whose attempts are used up is to blame, since others succeed, or has failed in
// an outage. When all in hand wait for that, it is one.
func (g *Guard) isExcused(ctx context.Context, c *Call) (excused bool) {
	g.mu.Lock()
	g.undecided++
	if !g.blame.isToBlame(&c.record) && g.breaker.generation == c.record.generation {
		g.judge()
	}
	g.unlock()
	g.await(ctx, func() bool {
		toBlame := g.blame.isToBlame(&c.record)
		excused = !toBlame && (g.breaker.isOpen() || g.breaker.generation != c.record.generation)
		return excused || toBlame
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.undecided--
	return excused && g.ended == nil
}

// AwaitPull waits until the batch may grow by a call: not while it holds, but for a second call beside a single one, which may be
// to blame. It reports false when ctx or the batch ends first.
func (g *Guard) AwaitPull(ctx context.Context) bool {
	generation := -1
	return g.await(ctx, func() bool {
		if generation < 0 {
			generation = g.breaker.generation
		}
		return !g.breaker.isOpen() || g.breaker.generation != generation || g.calls <= 1
	})
}

// await waits until a condition holds, and reports whether it came to that before ctx or the batch ended.
func (g *Guard) await(ctx context.Context, holds func() bool) bool {
	for {
		g.mu.Lock()
		if g.ended != nil || holds() {
			defer g.mu.Unlock()
			return g.ended == nil
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// IsHolding reports whether the batch waits for the end of an outage.
func (g *Guard) IsHolding() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker.isOpen()
}

// Close ends the timer of a batch that has ended.
func (g *Guard) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline.failingFrom = time.Now() // so that nothing starts it again
	if g.timer != nil {
		g.timer.Stop()
	}
}

// isOutage reports whether an outcome may be one of the API as a whole.
func (g *Guard) isOutage(o *attempt.Outcome) bool {
	return g.MaxOutage > 0 && (o.Kind == attempt.Transient || o.Kind == attempt.Throttled && o.RetryAfter > g.Retry.MaxWait)
}

func (g *Guard) mayReauth(c *Call) bool { return g.CanReauth && !c.reauthed }

func (g *Guard) succeeded(sentAt time.Time) {
	now := time.Now()
	g.blame.succeeded(sentAt)
	g.deadline.succeeded(now, sentAt)
	if g.breaker.isOpen() {
		g.breaker.backoff.Reset()
		if sentAt.Before(g.breaker.openedAt) { // it says only that the outage may be over
			g.Gate.ProbeNow()
			return
		}
		g.close()
	}
	g.wake()
}

func (g *Guard) failed(c *Call, o *attempt.Outcome) {
	if g.blame.failed(&c.record, time.Now(), g.breaker.generation, g.breaker.generationOf(o.SentAt)) {
		c.Retry.Forgive()
	}
	c.Retry.CountFailure()
	g.noSuccess(o.Err)
	g.judge()
	c.Ticket.Requeue() // another call is next
	if !g.breaker.isOpen() {
		return
	}
	if g.Gate.IsProbe(c.Ticket) {
		wait, first := g.breaker.probeFailed()
		g.Gate.Pause(wait)
		if first {
			g.notify(true)
		}
	}
}

// noSuccess lets the time of MaxOutage run.
func (g *Guard) noSuccess(err error) {
	g.last = err
	begins, over := g.deadline.failed(time.Now())
	switch {
	case over:
		g.end(err, g.MaxOutage)
	case begins && g.ended == nil && g.timer == nil:
		g.timer = time.AfterFunc(g.MaxOutage, g.check)
	case begins && g.ended == nil:
		g.timer.Reset(g.MaxOutage)
	}
}

// check ends the batch when MaxOutage is over.
func (g *Guard) check() {
	g.mu.Lock()
	defer g.unlock()
	if g.ended != nil {
		return
	}
	switch again, over := g.deadline.check(time.Now(), g.Gate.Stats().InFlight, g.Grace); {
	case over:
		g.end(g.last, g.MaxOutage)
	case again > 0:
		g.timer.Reset(again)
	}
}

// judge opens the breaker when what has failed makes an outage: more than one call, or all of them.
func (g *Guard) judge() {
	down := g.blame.suspects > 1 || g.blame.suspects == 1 && g.calls == 1 || g.undecided == g.calls
	if !down || g.breaker.isOpen() || g.ended != nil || g.calls == 0 {
		return
	}
	g.Gate.Pause(g.breaker.open(time.Now()))
	g.wake()
}

func (g *Guard) close() {
	if g.breaker.close(time.Now()) {
		g.notify(false)
	}
	g.Gate.Resume()
}

func (g *Guard) end(err error, outage time.Duration) {
	if g.ended != nil {
		return
	}
	g.ended, g.outage = g.NewError(err, outage), outage
	g.Gate.Close(g.ended)
	close(g.over)
	g.Stop()
	g.wake()
}

// wake lets those look again who wait for a change.
func (g *Guard) wake() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

func (g *Guard) notify(begun bool) {
	if cause := g.last; g.OnChange != nil {
		g.notices = append(g.notices, func() { g.OnChange(begun, cause) })
	}
}

// unlock gives the lock back, and then notifies: whoever is told may ask for [Guard.IsHolding].
func (g *Guard) unlock() {
	notices := g.notices
	g.notices = nil
	g.mu.Unlock()
	for _, notice := range notices {
		notice()
	}
}
