package outage

import (
	"context"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/retry"
)

// Call is one SID of a batch, or a canary.
type Call struct {
	Ticket limiter.Ticket // in the queue of the batch
	Retry  *retry.Call    // its attempts and waits

	guard    *Guard
	sid      string
	canary   bool
	reauthed bool          // it was signed again after a 401
	changed  chan struct{} // closed at the next change of state; nil: no waiter

	state    state
	next     *Call // the next one in the list of fresh calls
	sent     int   // event of its last request; 0: none was sent
	failed   int   // event of its last failure
	failures int   // failures that count against it
	due      time.Time
	hopeless bool // it asks for a longer wait than the batch has
}

// state is what a call waits for.
type state int

const (
	coming    state = iota // its begin, after it was pulled
	ready                  // its request to be sent
	inFlight               // a response
	parked                 // a verdict: it failed, and the cause is not known yet
	scheduled              // its due time: it failed on its own, or is throttled on its own
	spent                  // nothing: its result is known
)

// Done is closed when the batch has ended early.
func (c *Call) Done() <-chan struct{} { return c.guard.over }

// Send is called before each request.
func (c *Call) Send() {
	c.guard.mu.Lock()
	defer c.guard.unlock()
	c.guard.machine.send(c)
}

// Observe is called with the outcome of each request, before the next one.
func (c *Call) Observe(o *attempt.Outcome) {
	g, now := c.guard, time.Now()
	g.mu.Lock()
	defer g.unlock()
	switch {
	case o.Kind == attempt.Unauthorized && g.CanReauth && !c.reauthed:
		c.reauthed = true
		g.machine.to(c, ready)
	case o.Kind == attempt.Unauthorized || o.Kind == attempt.Fatal:
		if g.err == nil && c.canary {
			g.unreported = o.Err
		}
		g.stop(o.Err, false)
	case o.Conclusive():
		g.machine.succeed(c, now)
	case o.Kind == attempt.Throttled:
		g.last = o.Err
		g.machine.throttle(c, now)
	case o.Kind == attempt.Transient || o.Kind == attempt.Gateway:
		g.last = o.Err
		g.machine.fail(c, c.Retry.Wait(o), o.Local, now)
	case o.Kind == attempt.Final:
		g.last = o.Err
		ended := g.err != nil
		if g.machine.reject(c, now); !ended && g.err != nil && g.machine.inProgress() == 0 {
			g.unreported = g.err
		}
	}
}

// Next decides whether another attempt follows an observed failure. If that is not known yet,
// Settle waits for it.
func (c *Call) Next(o *attempt.Outcome, t limiter.Throttling) (next retry.Decision, known bool) {
	g, now := c.guard, time.Now()
	g.mu.Lock()
	defer g.unlock()
	next.Again = g.err == nil && c.state != spent && c.state != inFlight
	switch {
	case !next.Again:
		return next, true
	case o.Kind == attempt.Throttled:
		if next = c.Retry.NextThrottled(o, t); next.Wait > 0 {
			g.machine.postpone(c, now.Add(next.Wait))
		}
		return next, true
	}
	next.Wait = max(c.due.Sub(now), 0)
	if c.state == ready {
		next.Wait = 0
	} else if g.machine.isDown() {
		next.Wait = max(g.machine.probeAt.Sub(now), 0)
	}
	return next, g.machine.sendsAgain(c)
}

// Settle waits until it is known whether another attempt follows.
func (c *Call) Settle(ctx context.Context) (again bool) {
	return c.await(ctx, func(time.Time) (done bool, wait time.Duration) {
		return c.guard.machine.sendsAgain(c), 0
	})
}

// Ready waits until the next attempt may queue. It returns false when the call or the batch ends
// first.
func (c *Call) Ready(ctx context.Context) bool {
	return c.await(ctx, func(now time.Time) (done bool, wait time.Duration) {
		if c.state == scheduled && !now.Before(c.due) {
			c.guard.machine.to(c, ready)
		}
		if c.state == scheduled {
			wait = c.due.Sub(now)
		}
		return c.state == ready, wait
	})
}

// End is called when the call has ended. It reports whether an outage ended the batch.
func (c *Call) End() (outage bool) {
	c.guard.mu.Lock()
	defer c.guard.unlock()
	c.guard.machine.done(c, time.Now())
	return c.guard.outage
}

// await waits until look returns done. It calls look again after each change of the call, and after
// the wait that look returns. It returns false when ctx, the call or the batch ends first.
func (c *Call) await(ctx context.Context, look func(now time.Time) (done bool, wait time.Duration)) bool {
	g := c.guard
	for {
		g.mu.Lock()
		done, wait := look(time.Now())
		if over := g.err != nil || c.state == spent; done || over {
			g.unlock()
			return !over
		}
		changed := make(chan struct{})
		c.changed = changed
		g.unlock()
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-changed:
		case <-due:
		case <-g.over:
		case <-ctx.Done():
			return false
		}
	}
}
