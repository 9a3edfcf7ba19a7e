package trusthub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/retry"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// Hooks are callbacks for metrics and traces; see package trusthubotel for OpenTelemetry. Each may
// be nil. They run on the goroutine of the call, in order, and for many calls at a time. They
// should be quick, and must not panic.
//
// Each Start is followed by its Done, also when middleware panics. The context of a Done may have
// ended, and other hooks may have derived it from yours: store your values, such as a span, under a
// key of your own. Hooks get no SID, credential or body, and no header but the request id.
type Hooks struct {
	// CallStart is called before a call: one FetchCustomerProfile, one SID of FetchCustomerProfiles,
	// or one poll of WatchCustomerProfile. It is not called for a malformed SID. The context that it
	// returns is used for the rest of the call.
	CallStart func(context.Context, CallInfo) context.Context
	// AttemptStart is called before each request, after it was signed and has acquired a slot. The
	// context that it returns becomes that of the request, as middleware sees it. AttemptStart is not
	// called for a request that cannot be signed.
	AttemptStart func(context.Context, AttemptInfo) context.Context
	// AttemptDone is called with the context of AttemptStart, when the attempt has ended and it is
	// known whether another one follows.
	AttemptDone func(context.Context, AttemptInfo)
	// CallDone is called with the context of CallStart when the call has ended. A call through
	// Generated ends before its response is decoded.
	CallDone func(context.Context, CallInfo)
	// CallbackDone is called when a handler of [Client.CallbackHandler] or [Tracker.CallbackHandler]
	// has responded, or has panicked. Its context is that of the request. The handler's fetch is a
	// call of its own.
	CallbackDone func(context.Context, CallbackInfo)
}

// CallbackInfo describes a request to a callback handler of a [Client] or a [Tracker]. The reason
// of a failure is one of
//
//	no_signature   there is no signature: a probe, or somebody else than Twilio
//	signature      the signature is not valid
//	method         it is neither a POST nor a GET
//	no_sid         it is signed, but not about exactly one profile
//	not_found      the profile does not exist any more; the status is 204
//	account        its AccountSid is not that of the profile
//	fetch          the profile could not be fetched
//	queue          too many SIDs wait that the Tracker does not track
//	handle         CallbackConfig.Handle returned an error
//	panic          CallbackConfig.Handle panicked; no response was sent
type CallbackInfo struct {
	Reason   string        // "" for success
	Status   int           // of the response
	Duration time.Duration // fetch and Handle included
}

// CallInfo describes a call. Attempts and the fields after it are set when the call is done.
type CallInfo struct {
	Method   string        // GET
	Route    string        // the path of the OpenAPI document: /v1/CustomerProfiles/{Sid}
	Scheme   string        // https
	Host     string        // with the port, if the base URL has one
	Attempts int           // requests sent
	Reason   Reason        // "" for success
	Duration time.Duration // from CallStart, waits included
	Err      error         // see [AttemptInfo]
}

// AttemptInfo describes one request. Number and Waited are set from the start, the other fields
// when the attempt has ended.
type AttemptInfo struct {
	Number     int           // 1 for the first
	StatusCode int           // 0 when there was no response
	RequestID  string        // the Twilio-Request-Id header
	Reason     Reason        // "" for success
	Waited     time.Duration // the wait for a slot of the limiter
	Duration   time.Duration // from AttemptStart to the end of the body
	RetryIn    time.Duration // the least time until the next attempt, as far as it is known
	Final      bool          // no further attempt follows
	// the cause of the failure; nil for success. errors.As finds an *Error in it, without body and
	// message
	Err error
}

type hooks []Hooks

func (all hooks) callStart(ctx context.Context, info CallInfo) context.Context {
	for _, h := range all {
		if h.CallStart != nil {
			ctx = orBefore(h.CallStart(ctx, info), ctx)
		}
	}
	return ctx
}

func (all hooks) attemptStart(ctx context.Context, info AttemptInfo) context.Context {
	for _, h := range all {
		if h.AttemptStart != nil {
			ctx = orBefore(h.AttemptStart(ctx, info), ctx)
		}
	}
	return ctx
}

// orBefore returns before if a hook returned no context.
func orBefore(ctx, before context.Context) context.Context {
	if ctx == nil {
		return before
	}
	return ctx
}

func (all hooks) attemptDone(ctx context.Context, info AttemptInfo) {
	for _, h := range all {
		if h.AttemptDone != nil {
			h.AttemptDone(ctx, info)
		}
	}
}

func (all hooks) callDone(ctx context.Context, info CallInfo) {
	for _, h := range all {
		if h.CallDone != nil {
			h.CallDone(ctx, info)
		}
	}
}

func (all hooks) callbackDone(ctx context.Context, info CallbackInfo) {
	for _, h := range all {
		if h.CallbackDone != nil {
			h.CallbackDone(ctx, info)
		}
	}
}

// hookError is an error for hooks. It matches like the error, and holds no personal data.
type hookError struct {
	reason Reason
	err    error
}

func newHookError(reason Reason, err error) error {
	if err == nil {
		return nil
	}
	return &hookError{reason, err}
}

func (e *hookError) Error() string {
	if apiErr, ok := errors.AsType[*Error](e.err); ok {
		return fmt.Sprintf("trusthub: %s %d (code %d)", e.reason, apiErr.StatusCode, apiErr.Code)
	}
	return "trusthub: " + string(e.reason)
}

func (e *hookError) Is(target error) bool { return errors.Is(e.err, target) }

func (e *hookError) As(target any) bool {
	to, ok := target.(**Error)
	if !ok {
		return false
	}
	apiErr, ok := errors.AsType[*Error](e.err)
	if ok {
		*to = &Error{StatusCode: apiErr.StatusCode, Code: apiErr.Code, RequestID: apiErr.RequestID, RetryAfter: apiErr.RetryAfter, twilios: apiErr.twilios, gateway: apiErr.gateway}
	}
	return ok
}

// Format prints the text, under every verb.
func (e *hookError) Format(f fmt.State, verb rune) { text.Format(f, verb, e.Error()) }

// report logs the end of an attempt and calls the hooks.
func (c *call) report(a *answer, next retry.Decision) {
	if c.within == nil {
		return // the attempt was not admitted
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

// reasonOf returns why an attempt failed. If the caller's context has ended, that is the reason,
// unless a status came.
func (c *call) reasonOf(o *attempt.Outcome) Reason {
	_, answered := o.Err.(*Error) //nolint:errorlint // of this attempt
	if o.Err == nil || answered || c.ctx.Err() == nil {
		return Reason(o.Reason)
	}
	return reasonOfEnd(c.ctx.Err())
}

// log writes one record about the attempt. It logs only the fields that are listed here: headers,
// bodies and texts of errors may hold secrets and personal data.
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

// panicked reports to the hooks that a panic ended the attempt and the call.
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
