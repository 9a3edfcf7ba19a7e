package trusthub

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// call is one call on its way: the requests that it sends, the turns that it waits for, and what hooks and log are told of it.
type call struct {
	chain   *chain
	req     *http.Request
	ctx     context.Context // of the caller, or of the hooks
	start   time.Time
	turn    turn   // in the limiter of the client
	member  member // of a fleet, if the call is in one
	sent    int    // requests
	counted int    // failures that count against MaxAttempts
	paused  bool   // by its last 429, the client has
	waits   waits
	began   time.Time       // the present attempt
	attempt AttemptInfo     // what is known of it
	within  context.Context // of it; nil: there is none
	options *callOptions    // nil: none
}

func newCall(c *chain, req *http.Request) *call {
	call := &call{chain: c, req: req, ctx: req.Context(), start: time.Now(), waits: newWaits(c.cfg.retry)}
	call.turn.patience = c.cfg.retry.MaxWait
	if c.fleet != nil {
		call.turn.over = c.fleet.outage.over
	}
	if call.options = callOptionsOf(call.ctx); call.options != nil {
		call.ctx = context.WithValue(call.ctx, callOptionsKey{}, nil) // not those of calls within this one
	}
	call.ctx = c.cfg.hooks.callStart(call.ctx, call.info())
	return call
}

// run sends the request, more than once where that may help, and returns the last answer.
func (c *call) run() (*http.Response, error) {
	var previous error
	for {
		answer, failure := c.try()
		wait, again := c.decide(failure)
		c.report(answer, failure, wait, again)
		switch {
		case failure == nil:
			c.chain.quota.give()
			return answer, nil
		case c.ctx.Err() != nil:
			return nil, interrupted(c.ctx, c.origin(), failure, previous)
		case !again && answer != nil:
			return answer, nil
		case !again:
			return nil, notAnswered(c.origin(), failure, previous)
		case sleep(c.ctx, wait, c.turn.over) != nil:
			return nil, interrupted(c.ctx, c.origin(), c.ctx.Err(), failure)
		}
		previous = failure
	}
}

// try sends the request once, when it is its turn. It returns an answer, or a failure, or both: an answer of which the failure
// tells what is wrong with it.
func (c *call) try() (answer *http.Response, failure error) {
	arrived := time.Now()
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave() // also when middleware panics
	if c.ctx.Err() != nil {
		return nil, &unsentError{context.Cause(c.ctx)}
	}
	c.began = time.Now()
	c.attempt = AttemptInfo{Number: c.sent + 1, Waited: c.began.Sub(arrived)}
	c.within = c.chain.cfg.hooks.attemptStart(c.ctx, c.attempt)
	answer, failure = c.chain.send(c.within, c.req)
	c.attempt.Duration = time.Since(c.began)
	if !isUnsent(failure) {
		c.sent++
	}
	if answer != nil {
		failure = failureOf(answer, c.origin())
	}
	c.attempt.Reason = c.reasonOf(failure)
	if c.ctx.Err() == nil || failure == nil {
		c.learn(answer, failure)
	}
	if !isUnsent(failure) {
		c.options.record(answer, c.sent)
	}
	return answer, failure
}

// enter waits for the turn of the call, in its fleet and in the client.
func (c *call) enter() error {
	fleet := c.chain.fleet
	if fleet == nil {
		return c.enterClient()
	}
	for {
		if err := fleet.limiter.enter(c.ctx, &c.member.turn); err != nil {
			return err
		}
		err := c.enterClient()
		if err == nil && !fleet.limiter.barred(&c.member.turn) {
			fleet.outage.takeOff()
			return nil
		}
		if err == nil { // the fleet holds in the meantime
			c.chain.limiter.giveBack(&c.turn)
		}
		fleet.limiter.giveBack(&c.member.turn)
		if err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
}

// enterClient waits for the turn of the call in the client. A fleet has the patience to wait for a long pause, which counts
// towards MaxOutage.
func (c *call) enterClient() error {
	err := c.chain.limiter.enter(c.ctx, &c.turn)
	refusal, tooLong := err.(*Error) //nolint:errorlint // not what wraps one
	switch {
	case !tooLong || c.ctx.Err() != nil:
		return err
	case c.chain.fleet != nil && c.chain.cfg.retry.MaxOutage > 0:
		c.chain.fleet.outage.wait(refusal)
		c.turn.patience = 0
		return c.chain.limiter.enter(c.ctx, &c.turn)
	}
	refusal.from = c.origin()
	return refusal
}

func (c *call) leave() {
	c.chain.limiter.leave(&c.turn)
	if c.chain.fleet != nil {
		c.chain.fleet.limiter.leave(&c.member.turn)
		c.chain.fleet.outage.land()
	}
}

// learn tells limiters and fleet how an attempt ended, before its turn does.
func (c *call) learn(answer *http.Response, failure error) {
	fleet, took := c.chain.fleet, c.attempt.Duration
	refusal, _ := errors.AsType[*Error](failure)
	switch {
	case isRefusal(failure):
		c.paused = c.chain.limiter.refuse(&c.turn, refusal, took)
		if c.paused && fleet != nil {
			fleet.limiter.cut(&c.member.turn, took)
		}
	case isConclusive(answer, failure):
		c.chain.limiter.succeed(&c.turn, took)
	default:
		c.chain.limiter.ignore(&c.turn)
	}
	if fleet != nil {
		fleet.outage.learn(c, answer, failure)
	}
}

// isConclusive reports whether the API has answered, if only by a refusal that trying again would not change.
func isConclusive(answer *http.Response, failure error) bool {
	return answer != nil && (failure == nil || !isTransient(failure))
}

// decide says whether another attempt follows a failure, and how long to wait before it may wait for its turn.
func (c *call) decide(failure error) (wait time.Duration, again bool) {
	switch {
	case failure == nil || c.ctx.Err() != nil:
		return 0, false
	case c.chain.fleet != nil:
		return c.chain.fleet.outage.next(c, failure)
	}
	return c.next(failure)
}

// report tells log and hooks how an attempt ended, and what follows.
func (c *call) report(answer *http.Response, failure error, wait time.Duration, again bool) {
	if c.within == nil {
		return // there was none: its turn did not come
	}
	a := &c.attempt
	a.Final = !again
	if again {
		a.RetryIn = c.retryIn(wait)
	}
	if answer != nil {
		a.StatusCode, a.RequestID = answer.StatusCode, printable(requestID(answer), 64)
	}
	c.log()
	c.attemptDone(failure)
}

// reasonOf says why an attempt failed. The end of the caller's context is that, whatever it broke off.
func (c *call) reasonOf(failure error) Reason {
	reason := reasonOf(failure)
	if failure == nil || reason == ReasonStatus || c.ctx.Err() == nil {
		return reason
	}
	return reasonOfEnd(c.ctx.Err())
}

// retryIn is the least time until the next attempt that is known.
func (c *call) retryIn(wait time.Duration) time.Duration {
	wait = max(wait, c.chain.limiter.stats().Paused)
	if c.chain.fleet != nil {
		wait = max(wait, c.chain.fleet.limiter.stats().Paused)
	}
	return wait
}

func (c *call) attemptDone(failure error) {
	within := c.within
	if c.within = nil; len(c.chain.cfg.hooks) > 0 {
		c.attempt.Err = newHookError(c.attempt.Reason, failure)
		c.chain.cfg.hooks.attemptDone(within, c.attempt)
	}
}

// done tells the hooks that the call has ended.
func (c *call) done(err error) { c.doneFor(reasonOf(err), err) }

func (c *call) doneFor(reason Reason, err error) {
	if len(c.chain.cfg.hooks) == 0 {
		return
	}
	info := c.info()
	info.Attempts, info.Reason, info.Duration, info.Err = c.sent, reason, time.Since(c.start), newHookError(reason, err)
	c.chain.cfg.hooks.callDone(c.ctx, info)
}

// panicked tells the hooks that the attempt and the call have ended in a panic.
func (c *call) panicked() {
	if c.within != nil {
		c.sent++
		c.attempt.Reason, c.attempt.Duration, c.attempt.Final = ReasonPanic, time.Since(c.began), true
		c.attemptDone(errPanic)
	}
	c.doneFor(ReasonPanic, errPanic)
}

func (c *call) info() CallInfo {
	base := c.chain.cfg.baseURL
	return CallInfo{Method: http.MethodGet, Route: route, Scheme: base.Scheme, Host: base.Host}
}

func (c *call) origin() origin { return origin{c.req.Method, c.req.URL.Path, c.sent} }

var errPanic = errors.New("panic")
