package trusthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
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

func logValue(from origin, reason Reason, more ...slog.Attr) slog.Value {
	return slog.GroupValue(append([]slog.Attr{
		slog.String("method", from.method), slog.String("path", from.path), slog.Int("attempts", from.attempts), slog.String("reason", string(reason)),
	}, more...)...)
}

// unsentError is a failure before anything was sent, which trying again would not help.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return "not sent: " + e.err.Error() }

func (e *unsentError) Unwrap() error { return e.err }

// notAnswered is the error of a call that ends without an answer. One that its batch has ended says why it failed before.
func notAnswered(from origin, failure, previous error) error {
	if _, ended := errors.AsType[*endedError](failure); ended && previous != nil {
		failure = previous
	}
	return asFailure(failure, from)
}

// interrupted is the error of a call whose context ended: that of the context, its cause, and why the last complete attempt
// failed.
func interrupted(ctx context.Context, from origin, failure, previous error) error {
	ended, cause := ctx.Err(), context.Cause(ctx)
	why := failure
	if _, refused := errors.AsType[*Error](failure); previous != nil && !refused {
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

// timeoutError says that one attempt took longer than WithTimeout permits, while the caller's context goes on.
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

// origin is the call that an error comes from. It names the request as people write it down: GET /v1/CustomerProfiles/BU….
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

// markOutage marks an error that is part of the outage that ended its batch.
func markOutage(err error, outage bool) error {
	if _, marked := errors.AsType[*endedError](err); !outage || marked || !IsRetryable(err) {
		return err
	}
	return &endedError{err, true}
}

// endedError is why a batch has ended, or the failure of a call that its end has cut short.
type endedError struct {
	err    error
	outage bool
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

// quote returns an error that comes from outside of a call: from its Auth, its middleware or its transport. What other calls of this
// package have left in its chain is text, and answers neither errors.Is nor errors.As: it is not how this call ended.
func quote(err error) error { return newQuoted(err, isOfCall) }

// quoteCause does the same with the cause of a context, which says nothing about the call, not even by one of our named errors.
func quoteCause(err error) error {
	return newQuoted(err, func(node error) bool { return isOfCall(node) || slices.Contains(named(), node) })
}

func newQuoted(err error, hides func(error) bool) error {
	if !find(err, nobody, hides) {
		return err
	}
	return &quoted{err, hides}
}

func isOfCall(node error) bool {
	switch node.(type) { //nolint:errorlint // one node, not its chain
	case failure, *endedError:
		return true
	}
	return false
}

func named() []error {
	return []error{ErrUnauthorized, ErrForbidden, ErrNotFound, ErrTooManyRequests, ErrOutage, ErrInvalidSID, ErrResponseTooLarge}
}

// quoted is an error in whose tree some nodes, and all below them, are only text.
type quoted struct {
	err   error
	hides func(error) bool
}

func (q *quoted) Error() string { return q.err.Error() }

// Is looks at the nodes that are not hidden, as errors.Is does.
func (q *quoted) Is(target error) bool {
	isComparable := reflect.TypeOf(target).Comparable()
	return find(q.err, q.hides, func(node error) bool {
		is, ok := node.(interface{ Is(error) bool }) //nolint:errorlint // one node, not its chain
		return isComparable && node == target || ok && is.Is(target)
	})
}

// As looks at the nodes that are not hidden, as errors.As does.
func (q *quoted) As(target any) bool {
	to := reflect.ValueOf(target).Elem()
	return find(q.err, q.hides, func(node error) bool {
		if value := reflect.ValueOf(node); value.Type().AssignableTo(to.Type()) {
			to.Set(value)
			return true
		}
		as, ok := node.(interface{ As(any) bool }) //nolint:errorlint // one node, not its chain
		return ok && as.As(target)
	})
}

// find reports whether the tree of err has a node that is wanted, and that is neither hidden nor below one that is.
func find(err error, hides, wanted func(error) bool) bool {
	switch {
	case err == nil || hides(err):
		return false
	case wanted(err):
		return true
	}
	switch parent := err.(type) { //nolint:errorlint // one node, not its chain
	case interface{ Unwrap() error }:
		return find(parent.Unwrap(), hides, wanted)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(parent.Unwrap(), func(child error) bool { return find(child, hides, wanted) })
	}
	return false
}

func nobody(error) bool { return false }
