package trusthub

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/retry"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// report logs how an attempt ended and what follows, and calls the hooks.
func (c *call) report(a *answer, next retry.Decision) {
	if c.within == nil {
		return // there was none: it was not admitted
	}
	c.info.Final = !next.Again
	if next.Again {
		c.info.RetryIn = max(next.Wait, c.limiter.Stats().Paused)
	}
	if a != nil {
		c.info.StatusCode, c.info.RequestID = a.StatusCode, text.Printable(a.requestID(), 64)
	}
	c.log()
	failure := c.outcome.Err
	if c.info.Reason == "" {
		failure = nil
	}
	c.attemptDone(failure)
}

// reasonOf returns why an attempt failed. The end of the caller's context is that, whatever it
// broke off, unless a status came.
func (c *call) reasonOf(o *attempt.Outcome) Reason {
	_, answered := o.Err.(*Error) //nolint:errorlint // of this attempt
	if o.Err == nil || answered || c.ctx.Err() == nil {
		return Reason(o.Reason)
	}
	return reasonOfEnd(c.ctx.Err())
}

// log writes one record for an attempt that is over, of nothing but what is listed here: headers,
// bodies and the texts of errors may hold secrets and personal data.
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
	if c.within = nil; c.hooked {
		c.hooked = false
		c.info.Err = newHookError(c.info.Reason, failure)
		c.cfg.hooks.attemptDone(within, c.info)
	}
}

// done reports the end of the call to the hooks.
func (c *call) done(err error) { c.doneFor(reasonOf(err), err) }

func (c *call) doneFor(reason Reason, err error) {
	if len(c.cfg.hooks) == 0 {
		return
	}
	info := c.callInfo()
	info.Attempts, info.Reason, info.Duration, info.Err = c.sent, reason, time.Since(c.start), newHookError(reason, err)
	c.cfg.hooks.callDone(c.ctx, info)
}

// panicked reports to the hooks that the attempt and the call have ended in a panic.
func (c *call) panicked() {
	if c.hooked {
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
