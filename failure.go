package trusthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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
