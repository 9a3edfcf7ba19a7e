package outage

import (
	"context"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/retry"
)

// Config configures a Guard.
type Config struct {
	Limiter   *limiter.Limiter
	Scope     *limiter.Scope // of the batch
	Retry     retry.Policy
	MaxOutage time.Duration // the time without a success after which the batch ends
	Places    int           // SIDs in progress, except those that wait for another attempt
	CanReauth bool          // after a 401, a new signature may help
	Canaries  []string      // SIDs that succeeded before the batch

	Stop func() // called once, to end the pulling
	// fetches a SID again, on another goroutine
	Ask func(canary *Call, sid string)
	// returns the error of calls that the end of the batch cuts short
	NewError func(err error, outage bool) error
	// called when an outage is confirmed, with the time at which it will end the batch, and when it is
	// over
	OnChange func(begun bool, cause error, until time.Time)
}

// Guard adds a lock, the clock and the waiting to the rules of one batch. It is safe for concurrent
// use. It locks the limiter under its own lock, never the other way round.
type Guard struct {
	Config
	over chan struct{}
	pull chan struct{} // has a value when another SID may be wanted

	mu      sync.Mutex
	machine machine
	backoff retry.Backoff
	err     error // why the batch ended
	last    error // of the last failed request
	// why the batch ended, if no result of a SID has that error
	unreported error
	outage     bool // an outage ended the batch
	timer      *time.Timer
	notices    []func() // called without the lock
}

// New returns the guard of a batch.
func New(cfg Config) *Guard {
	g := &Guard{
		Config: cfg, over: make(chan struct{}), pull: make(chan struct{}, 1),
		backoff: retry.NewBackoff(cfg.Retry.MinWait, cfg.Retry.MaxWait),
	}
	g.machine = machine{
		maxAttempts: cfg.Retry.MaxAttempts, maxOutage: cfg.MaxOutage, places: cfg.Places, canaries: cfg.Canaries,
		backoff: &g.backoff, do: g,
	}
	return g
}

// AwaitPull waits until another SID is wanted. It returns false when ctx or the batch ends first.
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

// Yielded is called when the loop is done with the result of a SID.
func (g *Guard) Yielded() {
	g.mu.Lock()
	defer g.unlock()
	g.machine.yielded()
}

// InputEnded is called when all SIDs are pulled.
func (g *Guard) InputEnded() {
	g.mu.Lock()
	defer g.unlock()
	g.machine.endInput(time.Now())
}

// Begin returns the call of a SID that was pulled. With first, it is sent before the others.
func (g *Guard) Begin(sid string, first bool) *Call {
	c := &Call{Ticket: limiter.Ticket{Batch: g.Scope, First: first}, guard: g, sid: sid}
	g.mu.Lock()
	defer g.unlock()
	g.machine.begin(c, time.Now())
	return c
}

// IsHolding reports whether the batch waits for the API.
func (g *Guard) IsHolding() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.machine.isDown() || g.machine.confirmed
}

// Unreported returns the error that ended the batch if no result of a SID has it, or else nil.
func (g *Guard) Unreported() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.unreported
}

// Waiting returns the number of calls that wait for another attempt.
func (g *Guard) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.machine.count[parked] + g.machine.count[scheduled]
}

// Abort ends the batch: its calls end with their own errors, or with err.
func (g *Guard) Abort(err error) {
	g.mu.Lock()
	defer g.unlock()
	g.stop(err, false)
}

// Close stops the timer of a batch that has ended.
func (g *Guard) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.machine.ended = true
	if g.timer != nil {
		g.timer.Stop()
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

// unlock acts on changes, releases the lock, and then calls notices.
func (g *Guard) unlock() {
	if g.machine.mayPull() {
		select {
		case g.pull <- struct{}{}:
		default:
		}
	}
	if at := g.machine.probeAt; !at.IsZero() && g.machine.probe == nil {
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

func (g *Guard) hold()         { g.Scope.Hold() }
func (g *Guard) resume()       { g.Scope.Resume() }
func (g *Guard) admit(c *Call) { g.Scope.Probe(&c.Ticket) }

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
