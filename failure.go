package trusthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/opaque"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// sendError means that the response is missing or incomplete.
type sendError struct {
	from   origin
	err    error
	kind   attempt.Kind
	reason Reason
}

func (e *sendError) Error() string {
	return describe(e.from, text.Printable(withoutServersWords(e.err.Error()), 350))
}

// withoutServersWords cuts the text of a net/http error before words of the server: after
// HTTP/1.x's text for a broken connection, and at the quotation mark after HTTP/2's.
func withoutServersWords(said string) string {
	const http1 = "transport connection broken"
	if before, _, broken := strings.Cut(said, http1); broken {
		return before + http1
	}
	for _, words := range brokenWords() {
		before, after, broken := strings.Cut(said, words)
		if after, _, quotes := strings.Cut(after, `"`); broken && quotes {
			return before + words + strings.TrimRight(strings.TrimSuffix(after, "debug="), " :,")
		}
	}
	return said
}

func (e *sendError) Unwrap() error { return e.err }

func (e *sendError) Format(f fmt.State, verb rune) { text.Format(f, verb, e.Error()) }

func (e *sendError) LogValue() slog.Value { return logValue(e.from, e.reason) }

// logResponse returns the log value of an error that has a response.
func logResponse(from origin, f failure, status int, requestID string) slog.Value {
	_, reason := f.verdict()
	return logValue(from, reason, slog.Int("status", status), slog.String("request_id", text.Printable(requestID, 64)))
}

func logValue(from origin, reason Reason, more ...slog.Attr) slog.Value {
	return slog.GroupValue(append([]slog.Attr{
		slog.String("method", from.method), slog.String("path", from.path), slog.Int("attempts", from.attempts), slog.String("reason", string(reason)),
	}, more...)...)
}

// unsentError is a failure before the request was sent that a retry would not fix.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return "not sent: " + e.err.Error() }

func (e *unsentError) Unwrap() error { return e.err }

// timeoutError means that one attempt took longer than WithTimeout permits, before the caller's
// context ended.
type timeoutError time.Duration

func (e timeoutError) Error() string {
	return fmt.Sprintf("no complete response within %v", time.Duration(e))
}

// Timeout and Temporary make it a net.Error.
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// Retryable makes an attempt retryable that ran out of time while it was signed.
func (timeoutError) Retryable() bool { return true }

// Is makes it a context.DeadlineExceeded, as the timeouts of net/http are.
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// origin describes the call of an error. It prints the request in the usual form: GET
// /v1/CustomerProfiles/BU….
type origin struct {
	method, path string
	attempts     int
}

func describe(from origin, what string) string {
	if from.path == "" {
		return "trusthub: " + what
	}
	return "trusthub: " + text.Printable(cmp.Or(from.method, http.MethodGet)+" "+from.path, 100) + ": " + what
}

func requestNote(id string) []string {
	if id == "" {
		return nil
	}
	return []string{"request " + text.Printable(id, 64)}
}

// failure is an error of a call with its classification, so that nothing searches its chain, which
// may hold errors of other calls.
type failure interface {
	error
	verdict() (attempt.Kind, Reason)
}

func isUnsent(err error) bool {
	_, unsent := errors.AsType[*unsentError](err)
	return unsent
}

// markOutage marks an error of the outage that ended its batch.
func markOutage(err error, outage bool) error {
	if _, marked := errors.AsType[*endedError](err); !outage || marked || !IsRetryable(err) {
		return err
	}
	return newEndedError(err, true)
}

// endedError wraps the error that ended a batch, or a call whose batch ended.
type endedError struct {
	err    error
	outage bool
	kind   attempt.Kind // of err
	reason Reason
}

func newEndedError(err error, outage bool) *endedError {
	e := &endedError{err: err, outage: outage, kind: attempt.Transient, reason: reasonOf(err)}
	if f, ok := errors.AsType[failure](err); ok {
		e.kind, _ = f.verdict()
	}
	return e
}

// newEndOfBatch returns the error of calls whose batch ended. The error of an outage came from
// another SID, so only its text is kept.
func newEndOfBatch(err error, outage bool) error {
	e := newEndedError(err, outage)
	if outage {
		e.err = quote(err)
	}
	return e
}

func (e *endedError) Error() string {
	if !e.outage {
		return "not sent, after " + e.err.Error()
	}
	return text.Printable(fmt.Sprintf("%v: %v", ErrOutage, e.err), 480)
}

// LogValue logs the error that ended the batch or the call.
func (e *endedError) LogValue() slog.Value { return slog.AnyValue(e.err) }

func (e *endedError) Unwrap() []error {
	if !e.outage {
		return []error{e.err}
	}
	return []error{e.err, ErrOutage}
}

// quoteCause is quote for the cause of a context. The cause matches no error of this package.
func quoteCause(err error) error {
	return opaque.Hide(err, func(node error) bool { return isOfCall(node) || slices.Contains(named(), node) })
}

func named() []error {
	return []error{ErrUnauthorized, ErrForbidden, ErrNotFound, ErrTooManyRequests, ErrOutage, ErrInvalidSID, ErrResponseTooLarge}
}

// quote wraps an error from outside a call: from its Auth, its middleware or its transport. Errors
// of other calls in its chain become text, and no longer match errors.Is and errors.As, since this
// call did not end by them.
func quote(err error) error { return opaque.Hide(err, isOfCall) }

func isOfCall(node error) bool {
	switch node.(type) { //nolint:errorlint // one node, not its chain
	case failure, *endedError:
		return true
	}
	return false
}

// reasonOf returns the reason that the classification of the last attempt found.
func reasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[failure](err); ok {
		_, reason := f.verdict()
		return reason
	}
	return ReasonOther
}
