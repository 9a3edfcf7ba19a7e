package trusthub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed07fc1495/trusthub/gen"
)

// The refusals that programs tell apart, by HTTP status: errors.Is(err, trusthub.ErrNotFound).
var (
	ErrUnauthorized    = errors.New("trusthub: unauthorized")      // 401
	ErrForbidden       = errors.New("trusthub: forbidden")         // 403
	ErrNotFound        = errors.New("trusthub: not found")         // 404
	ErrTooManyRequests = errors.New("trusthub: too many requests") // 429
)

// ErrOutage says that FetchCustomerProfiles has ended because there was no success for MaxOutage. The error around it is also
// what was the matter with its own SID, if that was sent.
var ErrOutage = errors.New("trusthub: no success")

// Error is an answer with a status other than 2xx. Its text holds request, status, code, message and request id, in less
// than 500 bytes.
//
// See https://www.twilio.com/docs/usage/twilios-response.
type Error struct {
	StatusCode int           // the HTTP status
	Code       int           // Twilio's code, explained at https://www.twilio.com/docs/api/errors/{code}; 0 when the body had none
	Message    string        // Twilio's message as received, for people
	MoreInfo   string        // the address of the code's documentation
	RequestID  string        // the Twilio-Request-Id header, which Twilio's support asks for
	RetryAfter time.Duration // how long Twilio asked to wait; 0 when it did not
	Body       Body          // as received, cut at the limit

	from origin
}

func (e *Error) Error() string {
	text := describe(e.from, strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))))
	if e.Message != "" {
		text += ": " + printable(e.Message, 180)
	}
	var notes []string
	if e.Code != 0 {
		notes = append(notes, fmt.Sprintf("code %d", e.Code))
	}
	return text + inBrackets(append(notes, requestNote(e.RequestID)...))
}

// Is reports whether target is the named error of e's status.
func (e *Error) Is(target error) bool {
	switch e.StatusCode {
	case http.StatusUnauthorized:
		return target == ErrUnauthorized
	case http.StatusForbidden:
		return target == ErrForbidden
	case http.StatusNotFound:
		return target == ErrNotFound
	case http.StatusTooManyRequests:
		return target == ErrTooManyRequests
	}
	return false
}

// DecodeError is a 2xx answer that is not what was asked for: another content type, malformed or truncated JSON, a value
// of the wrong type, another profile, an object that has nothing of one. Its text names the place and the kind of the
// problem, and quotes nothing of the body but the names on the way there.
type DecodeError struct {
	StatusCode int    // the HTTP status
	RequestID  string // the Twilio-Request-Id header, which Twilio's support asks for
	Pointer    string // the JSON pointer of the value that could not be read; "" for the whole body
	Body       Body   // as received, cut at the limit
	Err        error  `json:"-"` // the cause; its own text may quote the body

	from origin
}

func (e *DecodeError) Error() string {
	text := describe(e.from, fmt.Sprintf("cannot decode the answer with status %d: ", e.StatusCode))
	if e.Pointer != "" {
		text += printable(e.Pointer, 100) + ": "
	}
	return text + kindOf(e.Err) + inBrackets(requestNote(e.RequestID))
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

// failureOf is what is wrong with an answer before it is decoded.
func failureOf(answer *http.Response, from origin) error {
	c := contentOf(answer)
	c.from = from
	if c.err != nil && !errors.Is(c.err, ErrResponseTooLarge) {
		c.err = &sendError{from: from, err: c.err}
	}
	switch {
	case answer.StatusCode/100 != 2:
		c.failure = newError(answer)
	case c.err != nil:
		c.failure = newDecodeError(answer, "", c.err)
	}
	return c.failure
}

func newError(answer *http.Response) *Error {
	e := &Error{
		StatusCode: answer.StatusCode,
		RequestID:  requestID(answer),
		RetryAfter: parseRetryAfter(answer.Header.Get("Retry-After")),
		Body:       contentOf(answer).body,
		from:       contentOf(answer).from,
	}
	// Both of Twilio's shapes have code and message; a body of any other kind says nothing that fits here.
	var body gen.Error
	if json.Unmarshal(e.Body, &body, decodeOptions) == nil {
		e.Code, e.Message, e.MoreInfo = body.Code, body.Message, body.MoreInfo
	}
	return e
}

// parseRetryAfter reads a Retry-After header, seconds or a date (RFC 9110, 10.2.3). What it cannot read, and the past, is 0.
func parseRetryAfter(value string) time.Duration {
	if strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseUint(value, 10, 64) // the largest number, if it is larger; 0 for ""
		return time.Duration(min(seconds, math.MaxInt64/uint64(time.Second))) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(time.Until(date), 0)
}

func newDecodeError(answer *http.Response, pointer string, err error) *DecodeError {
	return &DecodeError{
		StatusCode: answer.StatusCode,
		RequestID:  requestID(answer),
		Pointer:    pointer,
		Body:       contentOf(answer).body,
		Err:        err,
		from:       contentOf(answer).from,
	}
}

// problem is a cause of a DecodeError that this package found itself, and that quotes nothing.
type problem string

func (p problem) Error() string { return string(p) }

// kindOf says what is wrong without the texts of the decoder and of the network, which quote what they read.
func kindOf(err error) string {
	if ours, ok := errors.AsType[problem](err); ok {
		return string(ours)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return fmt.Sprintf("JSON %v does not fit %v", semantic.JSONKind, semantic.GoType)
	}
	_, syntactic := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case errors.Is(err, ErrResponseTooLarge):
		return "the body is larger than the limit"
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "duplicate name"
	case syntactic && errors.Is(err, io.ErrUnexpectedEOF):
		return "truncated JSON"
	case syntactic:
		return "malformed JSON"
	case errors.Is(err, context.DeadlineExceeded):
		return "the body did not arrive in time"
	}
	return "the body broke off"
}

// isTorn reports whether the cause of a DecodeError is what happened to the body on its way, and not what it holds.
func isTorn(err error) bool {
	_, ours := errors.AsType[problem](err)
	_, semantic := errors.AsType[*json.SemanticError](err)
	_, syntactic := errors.AsType[*jsontext.SyntacticError](err)
	return err != nil && !ours && !semantic && !syntactic && !errors.Is(err, ErrResponseTooLarge)
}

// sendError is a request that got no answer, or not all of it.
type sendError struct {
	from  origin
	err   error
	ended bool // with the caller's context
}

func (e *sendError) Error() string {
	text, _, broken := strings.Cut(e.err.Error(), "transport connection broken")
	if broken { // net/http goes on with what the server sent
		text += "transport connection broken"
	}
	return describe(e.from, printable(text, 350))
}

func (e *sendError) Unwrap() error { return e.err }

// unsentError is a failure before anything was sent, which trying again would not help.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return "not sent: " + e.err.Error() }

func (e *unsentError) Unwrap() error { return e.err }

func isUnsent(err error) bool {
	_, unsent := errors.AsType[*unsentError](err)
	return unsent
}

// notAnswered is the error of a call that ends without an answer. One that its fleet has ended tells why it failed before.
func notAnswered(from origin, failure, previous error) error {
	if _, ended := errors.AsType[*endedError](failure); ended && previous != nil {
		failure = previous
	}
	switch failure.(type) { //nolint:errorlint // those that are whole by themselves, and not what wraps one
	case *Error, *DecodeError:
		return failure
	}
	return &sendError{from: from, err: failure}
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
		err = fmt.Errorf("%w: %w", ended, cause)
	}
	if !errors.Is(why, ended) && !errors.Is(why, cause) {
		err = fmt.Errorf("%w, after %w", err, why)
	}
	return &sendError{from: from, err: err, ended: true}
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
