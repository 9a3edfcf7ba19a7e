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

// sendError is a request that got no answer, or not all of it.
type sendError struct {
	from   origin
	err    error
	kind   attempt.Kind
	reason Reason
}

func (e *sendError) Error() string {
	return describe(e.from, text.Printable(withoutServersWords(e.err.Error()), 350))
}

// withoutServersWords cuts an error of net/http before what it quotes of a server: after HTTP/1.x's
// words for a connection that ended, and at the quotation mark after HTTP/2's.
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

// logResponse logs an error that has a response.
func logResponse(from origin, f failure, status int, requestID string) slog.Value {
	_, reason := f.verdict()
	return logValue(from, reason, slog.Int("status", status), slog.String("request_id", text.Printable(requestID, 64)))
}

func logValue(from origin, reason Reason, more ...slog.Attr) slog.Value {
	return slog.GroupValue(append([]slog.Attr{
		slog.String("method", from.method), slog.String("path", from.path), slog.Int("attempts", from.attempts), slog.String("reason", string(reason)),
	}, more...)...)
}

// unsentError is a failure before anything was sent, which trying again would not help.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return "not sent: " + e.err.Error() }

func (e *unsentError) Unwrap() error { return e.err }

// timeoutError says that one attempt took longer than WithTimeout permits, while the caller's
// context goes on.
type timeoutError time.Duration

func (e timeoutError) Error() string {
	return fmt.Sprintf("no complete answer within %v", time.Duration(e))
}

// Timeout and Temporary make it a net.Error.
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// Retryable says so also of an attempt whose time ran out while it was signed.
func (timeoutError) Retryable() bool { return true }

// Is makes it a context.DeadlineExceeded, as the time-outs of net/http are.
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// origin is the call that an error comes from. It names the request as people write it down: GET
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

// failure is an error of a call. It knows what it means, so that nothing has to search its chain,
// which may hold errors of other calls.
type failure interface {
	error
	verdict() (attempt.Kind, Reason)
}

func isUnsent(err error) bool {
	_, unsent := errors.AsType[*unsentError](err)
	return unsent
}

// markOutage marks an error that is part of the outage that ended its batch.
func markOutage(err error, outage bool) error {
	if _, marked := errors.AsType[*endedError](err); !outage || marked || !IsRetryable(err) {
		return err
	}
	return newEndedError(err, true)
}

// endedError is why a batch has ended, or the failure of a call that its end has cut short.
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

// newEndOfBatch returns the error of calls that the end of their batch cuts short. That an outage
// has ended it is known from another SID's error, of which only the text is theirs.
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

// LogValue logs what ended the batch, or the call.
func (e *endedError) LogValue() slog.Value { return slog.AnyValue(e.err) }

func (e *endedError) Unwrap() []error {
	if !e.outage {
		return []error{e.err}
	}
	return []error{e.err, ErrOutage}
}

// quoteCause does the same with the cause of a context, which says nothing about the call, not even
// by one of our named errors.
func quoteCause(err error) error {
	return opaque.Hide(err, func(node error) bool { return isOfCall(node) || slices.Contains(named(), node) })
}

func named() []error {
	return []error{ErrUnauthorized, ErrForbidden, ErrNotFound, ErrTooManyRequests, ErrOutage, ErrInvalidSID, ErrResponseTooLarge}
}

// quote returns an error that comes from outside of a call: from its Auth, its middleware or its
// transport. What other calls of this package have left in its chain is text, and answers neither
// errors.Is nor errors.As: it is not how this call ended.
func quote(err error) error { return opaque.Hide(err, isOfCall) }

func isOfCall(node error) bool {
	switch node.(type) { //nolint:errorlint // one node, not its chain
	case failure, *endedError:
		return true
	}
	return false
}

// reasonOf returns the reason that was found when the attempt that failed with err was classified.
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
