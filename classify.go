package trusthub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/decode"
	"github.com/seed07fc1495/trusthub/internal/transport"
)

// classify returns how an attempt ended, from its response or from the error in place of one. All
// later decisions use it.
func classify(a *answer, err error, from origin, took time.Duration) attempt.Outcome {
	if a != nil {
		err = a.check(from)
	}
	o := attempt.Outcome{Took: took}
	if err == nil {
		return o
	}
	o.Err = asFailure(err, from)
	kind, reason := o.Err.(failure).verdict() //nolint:errorlint // what asFailure returns
	o.Kind, o.Reason, o.Local = kind, string(reason), isLocal(err)
	if apiErr, ok := err.(*Error); ok { //nolint:errorlint // of this attempt, not of what is in a chain
		o.RetryAfter = min(apiErr.RetryAfter, transport.MaxRetryAfter)
	}
	return o
}

// check checks a response before it is decoded.
func (a *answer) check(from origin) error {
	if a.failure != nil { // it was checked before
		return a.failure
	}
	if a.bodyErr != nil && !errors.Is(a.bodyErr, ErrResponseTooLarge) {
		a.bodyErr = asFailure(a.bodyErr, from)
	}
	switch {
	case a.StatusCode/100 != 2:
		a.failure = newError(a, from)
	case a.bodyErr != nil:
		a.failure = newDecodeError(a, from, "", a.bodyErr)
	}
	return a.failure
}

// isLocal reports whether a failure probably comes from the program's own configuration, so that
// waiting does not help.
func isLocal(err error) bool {
	switch err := err.(type) { //nolint:errorlint // one of this call
	case *Error:
		return err.kind() == attempt.Gateway
	case *DecodeError:
		return false
	}
	unknown, ok := errors.AsType[*net.DNSError](err)
	return ok && unknown.IsNotFound
}

func (e *Error) verdict() (attempt.Kind, Reason) {
	reason := ReasonGateway
	if e.FromTwilio() {
		reason = ReasonStatus
	}
	return e.kind(), reason
}

func (e *Error) kind() attempt.Kind {
	switch e.StatusCode {
	case http.StatusTooManyRequests:
		return attempt.Throttled
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return attempt.Transient
	}
	switch {
	case !e.FromTwilio():
		return attempt.Gateway
	case e.StatusCode == http.StatusUnauthorized:
		return attempt.Unauthorized
	case e.StatusCode == http.StatusBadRequest, e.StatusCode == http.StatusNotFound:
		return attempt.Rejected
	}
	return attempt.Final
}

func (e *DecodeError) verdict() (attempt.Kind, Reason) {
	truncated := isTruncated(e.Err)
	switch {
	case truncated && isFinalByItself(e.Err):
		return attempt.Final, reasonOfBody(e.Err)
	case truncated:
		return attempt.Transient, reasonOfBody(e.Err)
	case e.RequestID == "":
		return attempt.Gateway, reasonOfBody(e.Err)
	}
	return attempt.Rejected, reasonOfBody(e.Err)
}

// isTruncated reports whether the body was damaged on the way, and not wrong when it was sent.
func isTruncated(cause error) bool {
	return cause != nil && !decode.IsContent(cause) && !errors.Is(cause, ErrResponseTooLarge)
}

func (e *sendError) verdict() (attempt.Kind, Reason) { return e.kind, e.reason }

// kindOfUnanswered returns the kind of an error without a response.
func kindOfUnanswered(err error) attempt.Kind {
	opinion, hasOpinion := errors.AsType[retryable](err)
	switch {
	case errors.Is(err, ErrUnauthorized):
		return attempt.Unauthorized
	case isLasting(err):
		return attempt.Fatal
	case hasOpinion && opinion.Retryable():
		return attempt.Transient
	case isUnsent(err):
		return attempt.Fatal
	case hasOpinion:
		return attempt.Final
	}
	return attempt.Transient
}

// isLasting reports whether a connection failed for a reason that lasts.
func isLasting(err error) bool {
	operation, isNet := errors.AsType[*net.OpError](err)
	if isNet && operation.Op == "proxyconnect" { // wraps the error of the proxy
		return isLasting(operation.Err)
	}
	proxy, isProxy := errors.AsType[*transport.ProxyError](err)
	return isProxy && proxy.Lasting() || transport.IsLastingTLS(err)
}

// retryable is an error that decides by itself whether it is retried, for example one of
// middleware.
type retryable interface {
	error
	Retryable() bool
}

func isFinalByItself(err error) bool {
	opinion, ok := errors.AsType[retryable](err)
	return ok && !opinion.Retryable()
}

// notAnswered returns the error of a call without a response. If its batch has ended, the error
// wraps the call's previous one, too.
func notAnswered(from origin, failure, previous error) error {
	if _, ended := errors.AsType[*endedError](failure); ended && previous != nil {
		failure = previous
	}
	return asFailure(failure, from)
}

// interrupted returns the error of a call whose context ended. It wraps the context's error, its
// cause, and the error of the last complete attempt.
func interrupted(ctx context.Context, from origin, failure, previous error) error {
	ended, cause := ctx.Err(), context.Cause(ctx)
	why := failure
	if _, answered := errors.AsType[*Error](failure); previous != nil && !answered {
		why = previous
	}
	err := ended
	if !errors.Is(ended, cause) {
		err = fmt.Errorf("%w: %w", ended, quoteCause(cause))
	}
	if !errors.Is(why, ended) && !errors.Is(why, cause) {
		err = fmt.Errorf("%w, after %w", err, why)
	}
	kind := attempt.Final
	if errors.Is(ended, context.DeadlineExceeded) {
		kind = attempt.Transient
	}
	return &sendError{from, err, kind, reasonOfEnd(ended)}
}

// asFailure converts an error to a failure of this call.
func asFailure(err error, from origin) error {
	if _, ok := err.(failure); ok { //nolint:errorlint // one that is whole by itself
		return err
	}
	sent := &sendError{from: from, err: err}
	if batch, ended := errors.AsType[*endedError](err); ended {
		sent.kind, sent.reason = batch.kind, batch.reason
	} else {
		sent.kind, sent.reason = kindOfUnanswered(err), reasonOfUnanswered(err)
	}
	return sent
}

// reasonOfUnanswered returns the reason of an error without a response.
func reasonOfUnanswered(err error) Reason {
	switch {
	case isUnsent(err):
		return ReasonAuth
	case errors.Is(err, ErrResponseTooLarge):
		return ReasonTooLarge
	case isTimeout(err):
		return ReasonTimeout
	}
	return reasonOfNetwork(err)
}

// reasonOfBody returns the reason of a 2xx with an unusable body.
func reasonOfBody(cause error) Reason {
	switch {
	case errors.Is(cause, ErrResponseTooLarge):
		return ReasonTooLarge
	case isTimeout(cause):
		return ReasonTimeout
	case isTruncated(cause):
		return ReasonTorn
	}
	return ReasonDecode
}
