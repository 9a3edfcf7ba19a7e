package trusthub

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/decode"
	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/outage"
	"github.com/seed07fc1495/trusthub/internal/retry"
	"github.com/seed07fc1495/trusthub/internal/sleep"
)

// fetch sends the request of an operation and decodes its response. It returns either a value or an
// error.
func fetch[T any](ctx context.Context, p *pipeline, batch *outage.Call, req *http.Request, opts callOptions,
	sid string, check func(value *T, sid string) (pointer, problem string),
) (*T, error) {
	base := p.cfg.baseURL
	req.URL.Scheme, req.URL.Host, req.Host = base.Scheme, base.Host, base.Host
	result := &result[T]{sid: sid, check: check}
	c := newCall(ctx, p, req, batch, opts)
	c.decoder = result
	a, err := c.do()
	if err == nil {
		err = a.failure
		c.done(err)
	}
	if err != nil {
		return nil, err
	}
	return &result.value, nil
}

// result decodes the response of an operation.
type result[T any] struct {
	value T
	sid   string
	check func(value *T, sid string) (pointer, problem string)
}

func (r *result[T]) decode(a *answer, from origin) error {
	r.value = *new(T) // an earlier attempt may have set fields
	if a.StatusCode != http.StatusOK {
		return newDecodeError(a, from, "", decode.Problem("unexpected status"))
	}
	if pointer, err := decode.Object(a.Header.Get("Content-Type"), a.body, &r.value); err != nil {
		return newDecodeError(a, from, pointer, err)
	}
	if r.check == nil {
		return nil
	}
	if pointer, problem := r.check(&r.value, r.sid); problem != "" {
		return newDecodeError(a, from, pointer, decode.Problem(problem))
	}
	return nil
}

// Do sends a request of the generated client. It returns the last response with its body in memory.
// CallDone is called before generated code decodes the body.
func (p *pipeline) Do(req *http.Request) (*http.Response, error) {
	if err := p.checkTarget(req); err != nil {
		return nil, err
	}
	c := newCall(req.Context(), p, req, nil, nil)
	a, err := c.do()
	if err != nil {
		return nil, err
	}
	c.done(a.failure)
	a.Body = &memoryBody{*bytes.NewReader(a.body), a.bodyErr}
	return a.Response, nil
}

// call is one API call: its attempts, and the values that hooks and log get.
type call struct {
	*pipeline
	ctx     context.Context // of the caller, or of the hooks
	req     *http.Request
	opts    callOptions
	decoder interface{ decode(*answer, origin) error } // nil: generated code decodes
	start   time.Time
	retry   retry.Call
	single  limiter.Ticket // the ticket of a call outside a batch
	ticket  *limiter.Ticket
	batch   *outage.Call // nil for a call outside a batch
	sent    int          // number of requests

	outcome    attempt.Outcome    // how the last attempt ended
	throttling limiter.Throttling // what the limiter did about the 429 of the last attempt
	info       AttemptInfo        // of the present attempt
	within     context.Context    // context of the current attempt; nil between attempts
	hooked     bool               // AttemptStart was called for the current attempt
	began      time.Time          // start of the current attempt
}

func newCall(ctx context.Context, p *pipeline, req *http.Request, batch *outage.Call, opts callOptions) *call {
	c := &call{pipeline: p, req: req, opts: opts, start: time.Now(), batch: batch}
	var forgiving *limiter.Limiter // excuses a 429 while the limit is not found yet
	if p.cfg.maxConcurrency > 0 {
		forgiving = p.limiter
	}
	c.retry = retry.NewCall(p.cfg.retry, p.quota, forgiving)
	if batch != nil {
		c.ticket = &batch.Ticket
		batch.Retry = &c.retry
	} else {
		c.ticket = &c.single
		c.ticket.MaxPause = p.cfg.retry.MaxWait
	}
	c.ctx = p.cfg.hooks.callStart(ctx, c.callInfo())
	return c
}

// do makes the call. It reports the end to the hooks, unless there is a response that is not
// decoded yet.
func (c *call) do() (*answer, error) {
	returned := false
	defer func() {
		if !returned {
			c.panicked()
		}
	}()
	a, err := c.run()
	returned = true
	if err != nil {
		c.done(err)
	}
	return a, err
}

// run makes attempts while another one may help. It returns the last response.
func (c *call) run() (*answer, error) {
	var previous error
	for {
		a := c.try()
		next, failure := c.decide(a), c.outcome.Err
		switch {
		case failure == nil:
			c.quota.Earn()
			return a, nil
		case a != nil && a.undecoded && !next.Again:
			return a, nil
		case c.ctx.Err() != nil:
			return nil, interrupted(c.ctx, c.origin(), failure, previous)
		case next.Again && c.wait(next.Wait):
			previous = failure
			continue
		case c.ctx.Err() != nil:
			return nil, interrupted(c.ctx, c.origin(), c.ctx.Err(), failure)
		case a != nil:
			return a, nil
		}
		return nil, notAnswered(c.origin(), failure, previous)
	}
}

// wait waits before the next attempt. It returns false when there is none.
func (c *call) wait(d time.Duration) bool {
	if c.batch != nil {
		return c.batch.Ready(c.ctx)
	}
	return sleep.For(c.ctx, d) == nil
}

// try sends the request when the limiter admits it. It returns nil when no response came.
func (c *call) try() (a *answer) {
	queued := time.Now()
	if err := c.acquire(); err != nil {
		c.outcome = classify(nil, err, c.origin(), 0)
		return nil
	}
	var learned *attempt.Outcome
	// also when middleware panics
	defer func() { c.throttling = c.limiter.Release(c.ticket, learned) }()
	if c.ctx.Err() != nil {
		c.outcome = classify(nil, c.ctx.Err(), c.origin(), 0)
		return nil
	}
	c.began = time.Now()
	c.info = AttemptInfo{Number: c.sent + 1, Waited: c.began.Sub(queued)}
	c.within = c.ctx
	if c.batch != nil {
		c.batch.Send()
	}
	a, err := c.send()
	c.info.Duration = time.Since(c.began)
	sent := !isUnsent(err)
	if sent {
		c.sent++
	}
	c.conclude(a, err)
	if c.ctx.Err() == nil || c.outcome.Err == nil {
		learned = &c.outcome
		c.health.learn(learned, strings.TrimPrefix(c.req.URL.Path, c.template.URL.Path), time.Now())
		if c.batch != nil {
			c.batch.Observe(learned)
		}
	}
	if sent {
		c.opts.record(a, c.sent, c.began)
	}
	return a
}

// send signs and sends the request, within the timeout of one attempt. Hooks are called for
// requests that are sent.
func (c *call) send() (*answer, error) {
	deadline := c.began.Add(c.cfg.timeout)
	ctx, cancel := context.WithDeadlineCause(c.ctx, deadline, c.timeout)
	defer cancel()
	defer c.distrustIdle(ctx)
	signed, err := c.sign(ctx, c.req)
	if err != nil {
		return nil, err
	}
	c.began = time.Now()
	if len(c.cfg.hooks) == 0 {
		return c.exchange(signed, c.req)
	}
	c.within, c.hooked = c.cfg.hooks.attemptStart(ctx, c.info), true
	if c.within == ctx {
		return c.exchange(signed, c.req)
	}
	bounded := c.within
	if bounded.Done() != ctx.Done() { // a hook has returned another context
		bounded, cancel = context.WithDeadlineCause(bounded, deadline, c.timeout)
		defer cancel()
	}
	return c.exchange(signed.WithContext(bounded), c.req)
}

// conclude decodes the response and sets the outcome of an attempt.
func (c *call) conclude(a *answer, err error) {
	if a != nil && a.check(c.origin()) == nil && c.decoder != nil {
		a.failure = c.decoder.decode(a, c.origin())
		a.undecoded = a.failure != nil
	}
	c.outcome = classify(a, err, c.origin(), c.info.Duration)
	if a == nil || !a.undecoded {
		c.info.Reason = c.reasonOf(&c.outcome)
	}
}

// acquire waits for a slot. A call outside a batch fails if a pause is longer than MaxWait.
func (c *call) acquire() error {
	err := c.limiter.Acquire(c.ctx, c.ticket)
	if err != nil && c.ctx.Err() != nil {
		return c.ctx.Err() // not the cause of the context
	}
	paused, tooLong := errors.AsType[*limiter.PausedError](err)
	if !tooLong {
		return err
	}
	cause, ok := errors.AsType[*Error](paused.Cause)
	if !ok {
		return paused.Cause
	}
	throttled := *cause
	throttled.RetryAfter, throttled.from = paused.Remaining, c.origin()
	return &throttled
}

// decide returns whether another attempt follows, and reports the attempt.
func (c *call) decide(a *answer) retry.Decision {
	next, known := retry.Stop, true
	switch {
	case c.outcome.Err == nil || c.ctx.Err() != nil:
	case c.batch != nil:
		next, known = c.batch.Next(&c.outcome, c.throttling)
	default:
		next = c.retry.Next(&c.outcome, c.throttling)
	}
	if !known {
		next.Again = c.batch.Settle(c.ctx)
	}
	c.report(a, next)
	return next
}
