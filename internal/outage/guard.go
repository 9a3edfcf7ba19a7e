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
	Limiter   *limiter.Limiter
	Scope     *limiter.Scope // of the batch
	Retry     retry.Policy
	MaxOutage time.Duration // without a success, until the batch ends
	Places    int           // SIDs in progress, without those that wait to be sent again
	CanReauth bool          // whether signing once more may help against a 401

	Stop     func()                                         // ends the pulling; called once
	Ask      func(canary *Call, sid string)                 // fetches a SID once more, on another goroutine
	NewError func(err error, outage bool) error             // of calls that the end of the batch cuts short
	OnChange func(begun bool, cause error, until time.Time) // called when an outage is confirmed, which ends the batch then, and when it is over
}

// Guard puts a lock, the clock and the waiting around the rules of one batch. It is safe for
// concurrent use. It locks the limiter under its own lock, never the other way round.
type Guard struct {
	Config
	over chan struct{}
	pull chan struct{} // has a value when another SID may be wanted

	mu      sync.Mutex
	machine machine
	backoff retry.Backoff
	err     error // that ended the batch
	last    error // of a request
	outage  bool  // it was one
	timer   *time.Timer
	notices []func() // to call without the lock
}

// New returns a guard of a batch without calls.
func New(cfg Config) *Guard {
	g := &Guard{
		Config: cfg, over: make(chan struct{}), pull: make(chan struct{}, 1),
		backoff: retry.NewBackoff(cfg.Retry.MinWait, cfg.Retry.MaxWait),
	}
	g.machine = machine{
		maxAttempts: cfg.Retry.MaxAttempts, maxOutage: cfg.MaxOutage, places: cfg.Places, backoff: &g.backoff, do: g,
	}
	return g
}

// AwaitPull waits until another SID is wanted. It reports false when ctx or the batch ends first.
func (g *Guard) AwaitPull(ctx context.Context) bool {
	for {
		g.mu.Lock()
		ended, wanted := g.err != nil, g.machine.mayPull()
		g.mu.Unlock()
		if ended {
			return false
		}
		var pause <-chan time.Time
		if wanted {
			left := g.Limiter.RetryAfter()
			if left == 0 {
				return ctx.Err() == nil
			}
			pause = time.After(left)
		}
		select {
		case <-pause:
		case <-g.pull:
		case <-g.over:
		case <-ctx.Done():
			return false
		}
	}
}

// Pulled is called for each SID, before the next AwaitPull.
func (g *Guard) Pulled() {
	g.mu.Lock()
	defer g.unlock()
	g.machine.pull()
}

// Yielded is called when the result of a SID is delivered, or dropped.
func (g *Guard) Yielded() {
	g.mu.Lock()
	defer g.unlock()
	g.machine.yielded()
}

// InputEnded is called when there is no SID left to pull.
func (g *Guard) InputEnded() {
	g.mu.Lock()
	defer g.unlock()
	g.machine.inputEnd = true
}

// Begin returns the call of a SID that was pulled.
func (g *Guard) Begin(sid string) *Call {
	c := &Call{Ticket: limiter.Ticket{Batch: g.Scope}, guard: g, sid: sid}
	g.mu.Lock()
	defer g.unlock()
	g.machine.begin(c, time.Now())
	return c
}

// IsHolding reports whether the batch waits for the API.
func (g *Guard) IsHolding() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.machine.isHolding()
}

// Waiting returns the number of calls that wait to be sent again.
func (g *Guard) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.machine.count[parked] + g.machine.count[scheduled]
}

// Close ends the timer of a batch that has ended.
func (g *Guard) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.machine.ended = true
	if g.timer != nil {
		g.timer.Stop()
	}
}

// Done is closed when the batch has ended early.
func (c *Call) Done() <-chan struct{} { return c.guard.over }

// Send is called before each request.
func (c *Call) Send() {
	c.guard.mu.Lock()
	defer c.guard.unlock()
	c.guard.machine.send(c)
}

// Observe is called with the outcome of each request, before the next one can start.
func (c *Call) Observe(o *attempt.Outcome) {
	g, now := c.guard, time.Now()
	g.mu.Lock()
	defer g.unlock()
	switch {
	case o.Kind == attempt.Unauthorized && g.CanReauth && !c.reauthed:
		c.reauthed = true
		g.machine.again(c)
	case o.Kind == attempt.Unauthorized || o.Kind == attempt.Fatal:
		g.stop(o.Err, false)
	case o.Conclusive():
		g.machine.succeed(c, now)
	case o.Kind == attempt.Throttled:
		g.last = o.Err
		g.machine.throttle(c, now)
	case o.Kind == attempt.Transient || o.Kind == attempt.Gateway:
		g.last = o.Err
		g.machine.fail(c, c.Retry.Wait(o), o.Local, now)
	}
}

// Next decides what follows a failure that was observed. When that is not known yet, Settle waits for it.
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

// Ready waits until the next attempt may queue. It reports false when the call or the batch ends first.
func (c *Call) Ready(ctx context.Context) bool {
	return c.await(ctx, func(now time.Time) (done bool, wait time.Duration) {
		if c.state == scheduled && !now.Before(c.due) {
			c.guard.machine.arrive(c, now)
		}
		if c.state == scheduled {
			wait = c.due.Sub(now)
		}
		return c.state == ready, wait
	})
}

// End is called when the call has ended. It reports whether an outage has ended the batch.
func (c *Call) End() (outage bool) {
	c.guard.mu.Lock()
	defer c.guard.unlock()
	c.guard.machine.done(c, time.Now())
	return c.guard.outage
}

// await waits until look reports that it is done. It looks again after each change of the call, and
// after the wait that look returns. It reports false when ctx, the call or the batch ends first.
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

// stop ends the batch.
func (g *Guard) stop(err error, outage bool) {
	if g.err != nil {
		return
	}
	g.machine.ended = true
	g.err, g.outage = g.NewError(err, outage), outage
	g.Scope.Close(g.err)
	close(g.over)
	g.Stop()
}

func (g *Guard) tick() {
	g.mu.Lock()
	defer g.unlock()
	g.machine.settle(time.Now())
}

// unlock acts on what has changed, gives the lock back, and then notifies.
func (g *Guard) unlock() {
	if g.machine.mayPull() {
		select {
		case g.pull <- struct{}{}:
		default:
		}
	}
	if at := g.machine.alarm(); !at.IsZero() {
		if wait := max(time.Until(at), 1); g.timer == nil {
			g.timer = time.AfterFunc(wait, g.tick)
		} else {
			g.timer.Reset(wait)
		}
	}
	notices := g.notices
	g.notices = nil
	g.mu.Unlock()
	for _, notice := range notices {
		notice()
	}
}

func (g *Guard) wake(c *Call) {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

func (g *Guard) hold()       { g.Scope.Hold() }
func (g *Guard) resume()     { g.Scope.Resume() }
func (g *Guard) let(c *Call) { g.Scope.Probe(&c.Ticket) }

func (g *Guard) ask(sid string) *Call {
	c := &Call{Ticket: limiter.Ticket{Batch: g.Scope}, guard: g, sid: sid, canary: true, state: ready}
	g.Scope.Probe(&c.Ticket)
	g.Ask(c, sid)
	return c
}

func (g *Guard) report(begins bool) {
	cause, until := g.last, time.Time{}
	if begins {
		until = g.machine.deadline()
	}
	g.notices = append(g.notices, func() { g.OnChange(begins, cause, until) })
}

func (g *Guard) end() { g.stop(g.last, true) }
