package trusthub

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/decode"
	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/outage"
	"github.com/seed07fc1495/trusthub/internal/retry"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// fetch sends the request of an operation and decodes its answer, into exactly one of a value and an error.
func fetch[T any](ctx context.Context, p *pipeline, batch *outage.Guard, req *http.Request, opts callOptions,
	check func(*T) (pointer, problem string),
) (*T, error) {
	base := p.cfg.baseURL
	req.URL.Scheme, req.URL.Host, req.Host = base.Scheme, base.Host, base.Host
	c, a, err := p.do(ctx, req, batch, opts)
	if err != nil {
		return nil, err
	}
	value, err := decodeAnswer(a, c.origin(), check)
	c.done(err)
	return value, err
}

func decodeAnswer[T any](a *answer, from origin, check func(*T) (pointer, problem string)) (*T, error) {
	if a.failure != nil {
		return nil, a.failure
	}
	if a.StatusCode != http.StatusOK {
		return nil, newDecodeError(a, from, "", decode.Problem("unexpected status"))
	}
	value := new(T)
	if pointer, err := decode.Object(a.Header.Get("Content-Type"), a.body, value); err != nil {
		return nil, newDecodeError(a, from, pointer, err)
	}
	if pointer, problem := check(value); problem != "" {
		return nil, newDecodeError(a, from, pointer, decode.Problem(problem))
	}
	return value, nil
}

// Do sends a request of the generated client, and returns the last answer with its body in memory. Generated code decodes it, and tells
// nobody how that ends.
func (p *pipeline) Do(req *http.Request) (*http.Response, error) {
	if err := p.checkTarget(req); err != nil {
		return nil, err
	}
	c, a, err := p.do(req.Context(), req, nil, nil)
	if err != nil {
		return nil, err
	}
	c.done(a.failure)
	a.Body = &memoryBody{*bytes.NewReader(a.body), a.bodyErr}
	return a.Response, nil
}

// do makes a call, and tells the hooks how it ended, unless there is an answer that may still turn out not to be what was asked for.
func (p *pipeline) do(ctx context.Context, req *http.Request, batch *outage.Guard, opts callOptions) (*call, *answer, error) {
	c := newCall(ctx, p, req, batch, opts)
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
	return c, a, err
}

// call is one call: the attempts that it makes, and what hooks and log are told of them.
type call struct {
	*pipeline
	ctx    context.Context // of the caller, or of the hooks
	req    *http.Request
	opts   callOptions
	start  time.Time
	retry  retry.Call
	ticket limiter.Ticket // in the limiter of the client
	sent   int            // requests

	batch  *outage.Guard   // nil: the call is on its own
	over   <-chan struct{} // of the batch
	member outage.Call     // of the batch

	throttling limiter.Throttling // by the last 429
	info       AttemptInfo        // of the present attempt
	within     context.Context    // of the present attempt; nil: there is none
	began      time.Time          // the present attempt
}

func newCall(ctx context.Context, p *pipeline, req *http.Request, batch *outage.Guard, opts callOptions) *call {
	c := &call{pipeline: p, req: req, opts: opts, start: time.Now(), batch: batch}
	forgiver := p.forgiver
	c.ticket.MaxPause = p.cfg.retry.MaxWait
	if batch != nil {
		forgiver = p.limiter
		c.ticket.Batch, c.over = batch.Gate, batch.Done()
		c.member.Retry, c.member.Ticket = &c.retry, &c.ticket
	}
	c.retry = retry.NewCall(p.cfg.retry.perCall(), p.quota, forgiver)
	c.ctx = p.cfg.hooks.callStart(ctx, c.callInfo())
	return c
}

// run makes attempts, as many as may help, and returns the last answer.
func (c *call) run() (*answer, error) {
	var previous error
	for {
		a, o := c.try()
		next := c.decide(o)
		c.report(a, o, next)
		switch {
		case o.Err == nil:
			c.quota.Earn()
			return a, nil
		case c.ctx.Err() != nil:
			return nil, interrupted(c.ctx, c.origin(), o.Err, previous)
		case !next.Again && a != nil:
			return a, nil
		case !next.Again:
			return nil, notAnswered(c.origin(), o.Err, previous)
		case sleep(c.ctx, next.Wait, c.over) != nil:
			return nil, interrupted(c.ctx, c.origin(), c.ctx.Err(), o.Err)
		}
		previous = o.Err
	}
}

// try sends the request once it is admitted. The answer is nil when none came.
func (c *call) try() (a *answer, o attempt.Outcome) {
	queued := time.Now()
	if err := c.acquire(); err != nil {
		return nil, c.classify(nil, err)
	}
	defer c.limiter.Release(&c.ticket) // also when middleware panics
	if c.ctx.Err() != nil {
		return nil, c.classify(nil, &unsentError{context.Cause(c.ctx)})
	}
	c.began = time.Now()
	c.info = AttemptInfo{Number: c.sent + 1, Waited: c.began.Sub(queued)}
	c.within = c.cfg.hooks.attemptStart(c.ctx, c.info)
	a, err := c.send(c.within, c.req)
	c.info.Duration = time.Since(c.began)
	sent := !isUnsent(err)
	if sent {
		c.sent++
	}
	o = c.classify(a, err)
	c.info.Reason = c.reasonOf(o.Err)
	if c.ctx.Err() == nil || o.Err == nil {
		c.learn(&o)
	}
	if sent {
		c.opts.record(a, c.sent)
	}
	return a, o
}

func (c *call) classify(a *answer, err error) attempt.Outcome {
	return classify(a, err, c.origin(), c.began, c.info.Duration)
}

// acquire waits for admission. A batch waits for a long pause of the client, too: that counts towards MaxOutage.
func (c *call) acquire() error {
	err := c.limiter.Acquire(c.ctx, &c.ticket)
	paused, tooLong := errors.AsType[*limiter.PausedError](err)
	if !tooLong || c.ctx.Err() != nil {
		return err
	}
	refusal := *paused.Cause.(*Error) //nolint:errorlint // what the pause began with
	refusal.RetryAfter = paused.Remaining
	if c.batch != nil && c.cfg.retry.MaxOutage > 0 {
		c.batch.Delayed(&refusal)
		c.ticket.MaxPause = 0
		return c.limiter.Acquire(c.ctx, &c.ticket)
	}
	refusal.from = c.origin()
	return &refusal
}

// learn tells limiters and batch how an attempt ended, before the next one can start.
func (c *call) learn(o *attempt.Outcome) {
	switch {
	case o.Kind == attempt.Throttled:
		c.throttling = c.limiter.Throttled(&c.ticket, o.Took, o.RetryAfter, o.Err)
	case o.Conclusive():
		c.limiter.Succeeded(&c.ticket, o.Took)
	default:
		c.limiter.Failed(&c.ticket)
	}
	if c.batch != nil {
		c.batch.Observe(&c.member, o)
	}
}

// decide says what follows an attempt.
func (c *call) decide(o attempt.Outcome) retry.Decision {
	switch {
	case o.Err == nil || c.ctx.Err() != nil:
		return retry.Stop
	case c.batch != nil:
		return c.batch.Next(c.ctx, &c.member, &o, c.throttling)
	}
	return c.retry.Next(&o, c.throttling)
}

// report tells log and hooks how an attempt ended, and what follows.
func (c *call) report(a *answer, o attempt.Outcome, next retry.Decision) {
	if c.within == nil {
		return // there was none: it was not admitted
	}
	c.info.Final = !next.Again
	if next.Again {
		c.info.RetryIn = c.retryIn(next.Wait)
	}
	if a != nil {
		c.info.StatusCode, c.info.RequestID = a.StatusCode, text.Printable(a.requestID(), 64)
	}
	c.log()
	c.attemptDone(o.Err)
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
	wait = max(wait, c.limiter.Stats().Paused)
	if c.batch != nil {
		wait = max(wait, c.batch.Gate.Stats().Paused)
	}
	return wait
}

// log writes one record for an attempt that is over, of nothing but what is listed here: headers, bodies and the texts of
// errors may hold secrets and personal data.
func (c *call) log() {
	level, message := slog.LevelDebug, "trusthub: request answered"
	if c.info.Reason != "" {
		level, message = slog.LevelWarn, "trusthub: request failed"
	}
	logger := c.cfg.logger
	if logger == nil || !logger.Enabled(c.within, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", c.req.Method),
		slog.String("path", c.req.URL.Path),
		slog.Int("attempt", c.info.Number),
		slog.Duration("duration", c.info.Duration),
	}
	if c.info.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", c.info.StatusCode), slog.String("request_id", c.info.RequestID))
	}
	if c.info.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(c.info.Reason)))
	}
	if c.info.RetryIn > 0 {
		attrs = append(attrs, slog.Duration("retry_in", c.info.RetryIn))
	}
	logger.LogAttrs(c.within, level, message, attrs...)
}

func (c *call) attemptDone(failure error) {
	within := c.within
	if c.within = nil; len(c.cfg.hooks) > 0 {
		c.info.Err = newHookError(c.info.Reason, failure)
		c.cfg.hooks.attemptDone(within, c.info)
	}
}

// done tells the hooks that the call has ended.
func (c *call) done(err error) { c.doneFor(reasonOf(err), err) }

func (c *call) doneFor(reason Reason, err error) {
	if len(c.cfg.hooks) == 0 {
		return
	}
	info := c.callInfo()
	info.Attempts, info.Reason, info.Duration, info.Err = c.sent, reason, time.Since(c.start), newHookError(reason, err)
	c.cfg.hooks.callDone(c.ctx, info)
}

// panicked tells the hooks that the attempt and the call have ended in a panic.
func (c *call) panicked() {
	if c.within != nil {
		c.sent++
		c.info.Reason, c.info.Duration, c.info.Final = ReasonPanic, time.Since(c.began), true
		c.attemptDone(errPanic)
	}
	c.doneFor(ReasonPanic, errPanic)
}

var errPanic = errors.New("panic")

func (c *call) callInfo() CallInfo {
	base := c.cfg.baseURL
	return CallInfo{Method: http.MethodGet, Route: route, Scheme: base.Scheme, Host: base.Host}
}

func (c *call) origin() origin { return origin{c.req.Method, c.req.URL.Path, c.sent} }

// sleep waits for d or the end of ctx, whose error it returns. It returns early when over is closed.
func sleep(ctx context.Context, d time.Duration, over <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
