package trusthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed07fc1495/trusthub/internal/apierror"
	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/decode"
	"github.com/seed07fc1495/trusthub/internal/text"
	"github.com/seed07fc1495/trusthub/internal/transport"
)

// Twilio's responses by status, for [errors.Is]: errors.Is(err, trusthub.ErrNotFound). An *[Error]
// is one of these only if Twilio sent it ([Error.FromTwilio]), since a gateway without a route
// answers 404, too.
var (
	ErrUnauthorized    = errors.New("trusthub: unauthorized")      // 401
	ErrForbidden       = errors.New("trusthub: forbidden")         // 403
	ErrNotFound        = errors.New("trusthub: not found")         // 404
	ErrTooManyRequests = errors.New("trusthub: too many requests") // 429
)

// ErrOutage means that a batch ended because no request succeeded for the time of [WithMaxOutage].
// The error also wraps the last error of its own SID. If no request was sent for this SID, only the
// text of the error has a cause, which is the error of another SID.
var ErrOutage = errors.New("trusthub: the batch ended in an outage")

// ErrInvalidSID means that a string is not the SID of a Customer Profile: "BU" and 32 hexadecimal
// digits. Nothing was sent.
var ErrInvalidSID = errors.New("trusthub: invalid Customer Profile SID")

// ErrResponseTooLarge means that a body was longer than [WithMaxResponseBytes] permits. The error
// that wraps it has the first part of the body.
var ErrResponseTooLarge = errors.New("trusthub: response too large")

// IsRetryable reports whether the same call may succeed later. The call's own retries are over by
// then.
//
// It is true for
//   - a response that is missing, late or incomplete,
//   - a deadline of the caller's context that has passed,
//   - the statuses 429, 500, 502, 503 and 504,
//   - a response without evidence that Twilio sent it ([Error.FromTwilio]).
//
// It is false for everything else, such as a canceled context, an invalid certificate, failed
// authentication, other responses of Twilio, [ErrInvalidSID], nil, and an error that no call
// returned. An error of an [Auth], a middleware or a transport decides by itself if it has a method
// Retryable() bool.
func IsRetryable(err error) bool {
	f, ok := errors.AsType[failure](err)
	if !ok {
		return false
	}
	kind, _ := f.verdict()
	return kind == attempt.Throttled || kind == attempt.Transient || kind == attempt.Gateway
}

// Error is a response with a status other than 2xx. Its text has the request, status, code, message
// and request id, in less than 500 bytes. Without evidence that Twilio sent it, the text says so,
// and has the content type and the Server header in place of code and message.
//
// See https://www.twilio.com/docs/usage/twilios-response.
type Error struct {
	StatusCode int // the HTTP status
	// Twilio's code, explained at https://www.twilio.com/docs/api/errors/{code}; 0 if the body has
	// none
	Code      int
	Message   string // Twilio's message as received, for people
	MoreInfo  string // the address of the code's documentation
	RequestID string // the Twilio-Request-Id header, which Twilio's support asks for
	// the wait that the response asks for; 0: none. A call waits for at most MaxWait, a batch or a
	// watch for at most an hour
	RetryAfter time.Duration
	Body       Body // as received, cut at the limit

	from    origin
	twilios bool // the body shows that Twilio sent it
	// describes the sender other than Twilio; "" for Twilio, and for an Error that a program made
	gateway string
	detail  string // of the body, beside Message
}

// FromTwilio reports whether there is evidence that Twilio sent the response, and not a proxy, a
// gateway or a firewall. The evidence is the Twilio-Request-Id header, or a body in one of Twilio's
// error shapes with an address on twilio.com or with a code that Twilio documents for its API as a
// whole. A body whose status differs from that of HTTP is no evidence. This guards against
// accidents, not against attackers.
//
// When it is false, the response says nothing about the profile, the credentials or the
// permissions, whatever its status. The same call may succeed later ([IsRetryable]), and Code,
// Message and MoreInfo are not Twilio's. A test server that stands for Twilio should send the
// header, as package trusthubtest does.
func (e *Error) FromTwilio() bool {
	byHand := e.gateway == "" && apierror.Body{Code: e.Code, MoreInfo: e.MoreInfo}.IsTwilios(e.StatusCode)
	return e.RequestID != "" || e.twilios || byHand
}

func (e *Error) Error() string {
	said := describe(e.from, strings.TrimSpace(fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))))
	if e.gateway != "" {
		return said + " from a gateway, not from Twilio" + text.InBrackets([]string{e.gateway})
	}
	if e.Message != "" {
		said += ": " + text.Printable(e.Message, 180)
	}
	if e.detail != "" {
		said += ": " + text.Printable(e.detail, 120)
	}
	var notes []string
	if e.Code != 0 {
		notes = append(notes, fmt.Sprintf("code %d", e.Code))
	}
	return said + text.InBrackets(append(notes, requestNote(e.RequestID)...))
}

// Is reports whether target is the error for e's status, and Twilio sent e ([Error.FromTwilio]).
func (e *Error) Is(target error) bool {
	if !e.FromTwilio() {
		return false
	}
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

// Format prints the text for every verb, since the fields must not be printed. It has a value
// receiver, so that a value prints like a pointer.
func (e Error) Format(f fmt.State, verb rune) { text.Format(f, verb, e.Error()) }

// LogValue logs the fields that [WithLogger] logs of an attempt, and the number of attempts.
func (e Error) LogValue() slog.Value {
	return logResponse(e.from, &e, e.StatusCode, e.RequestID)
}

// DecodeError is a 2xx response that is not the profile asked for: another content type, malformed
// or truncated JSON, a value of the wrong type, another profile, or an object without any profile
// field. Text that is not valid Unicode, such as half of a surrogate pair ("\ud83d"), is an error,
// too. The text of the error names the place and the kind of the problem. Of the body it quotes
// only the names on the way there.
type DecodeError struct {
	StatusCode int    // the HTTP status
	RequestID  string // the Twilio-Request-Id header, which Twilio's support asks for
	Pointer    string // the JSON pointer of the wrong value; "" for the whole body
	Body       Body   // as received, cut at the limit
	Err        error  `json:"-"` // the cause; its text may quote the body

	from origin
}

func (e *DecodeError) Error() string {
	said := describe(e.from, fmt.Sprintf("cannot decode the response with status %d: ", e.StatusCode))
	if e.Pointer != "" {
		said += text.Printable(e.Pointer, 100) + ": "
	}
	return said + describeCause(e.Err) + text.InBrackets(requestNote(e.RequestID))
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

// Format prints the text for every verb, since the fields must not be printed. It has a value
// receiver, so that a value prints like a pointer.
func (e DecodeError) Format(f fmt.State, verb rune) { text.Format(f, verb, e.Error()) }

// LogValue logs the fields that [WithLogger] logs of an attempt, and the number of attempts.
func (e DecodeError) LogValue() slog.Value {
	return logResponse(e.from, &e, e.StatusCode, e.RequestID)
}

func newError(a *answer, from origin) *Error {
	body := apierror.Read(a.body)
	e := &Error{
		StatusCode: a.StatusCode, RequestID: a.requestID(), RetryAfter: transport.RetryAfter(a.Header.Get("Retry-After")), Body: a.body, from: from,
		Code: body.Code, Message: body.Message, MoreInfo: body.MoreInfo, detail: body.Detail, twilios: body.IsTwilios(a.StatusCode),
	}
	if e.RequestID == "" && !e.twilios {
		e.gateway = describeGateway(a.Header)
	}
	return e
}

// describeGateway describes the sender of a response by its headers.
func describeGateway(header http.Header) string {
	said := "content type " + cmp.Or(text.Printable(header.Get("Content-Type"), 40), "none")
	if server := text.Printable(header.Get("Server"), 40); server != "" {
		said += ", server " + server
	}
	return said
}

func newDecodeError(a *answer, from origin, pointer string, err error) *DecodeError {
	return &DecodeError{StatusCode: a.StatusCode, RequestID: a.requestID(), Pointer: pointer, Body: a.body, Err: err, from: from}
}

// describeCause describes an error without the texts of the decoder and of the network, which quote
// their input.
func describeCause(err error) string {
	switch said := decode.Describe(err); {
	case said != "":
		return said
	case errors.Is(err, ErrResponseTooLarge):
		return "the body is larger than the limit"
	case errors.Is(err, context.DeadlineExceeded):
		return "the body did not arrive in time"
	}
	return "the body broke off"
}

// Reason is a word for why an attempt or a call failed, for metrics and logs; "" for success.
type Reason string

// The reasons.
const (
	ReasonStatus Reason = "status" // a status other than 2xx
	// a status other than 2xx that Twilio did not send, see [Error.FromTwilio]
	ReasonGateway  Reason = "gateway"
	ReasonTimeout  Reason = "timeout"   // no complete response in the time of an attempt
	ReasonCanceled Reason = "canceled"  // the caller's context was canceled
	ReasonDeadline Reason = "deadline"  // the deadline of the caller's context passed
	ReasonRefused  Reason = "refused"   // no connection: refused, or no server there
	ReasonReset    Reason = "reset"     // the connection broke before the response
	ReasonTorn     Reason = "torn"      // the connection broke in the middle of the body
	ReasonDNS      Reason = "dns"       // the name of the host was not found
	ReasonTLS      Reason = "tls"       // a bad certificate, no agreement on TLS, or no TLS at all
	ReasonProxy    Reason = "proxy"     // the proxy did not open the connection
	ReasonTooLarge Reason = "too_large" // the body is larger than the limit
	ReasonAuth     Reason = "auth"      // the Auth failed, and nothing was sent
	// a complete 2xx that is not the profile asked for; for calls only
	ReasonDecode Reason = "decode"
	ReasonPanic  Reason = "panic" // a panic of middleware or of the transport
	ReasonOther  Reason = "other" // another error, for example of middleware
)

// reasonOfEnd returns the reason of a call whose context ended with err.
func reasonOfEnd(err error) Reason {
	if errors.Is(err, context.DeadlineExceeded) {
		return ReasonDeadline
	}
	return ReasonCanceled
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout()
}

func reasonOfNetwork(err error) Reason {
	_, isDNS := errors.AsType[*net.DNSError](err)
	_, isProxy := errors.AsType[*transport.ProxyError](err)
	operation, isNet := errors.AsType[*net.OpError](err)
	if isNet && operation.Op == "proxyconnect" { // wraps the error of the proxy
		return reasonOfNetwork(operation.Err)
	}
	switch {
	case isDNS:
		return ReasonDNS
	case isProxy:
		return ReasonProxy
	case transport.IsTLS(err):
		return ReasonTLS
	case isNet && operation.Op == "dial":
		return ReasonRefused
	case isNet, brokeOff(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ReasonReset
	}
	return ReasonOther
}

func brokenWords() []string {
	return []string{"transport connection broken", "http2: ", "stream error: ", "connection error: ", "malformed HTTP "}
}

// brokeOff reports whether err means a broken connection for which net/http has no type: an
// HTTP/1.1 or HTTP/2 connection that ended, or that sent something other than HTTP.
func brokeOff(err error) bool {
	return slices.ContainsFunc(brokenWords(), func(words string) bool { return strings.Contains(err.Error(), words) })
}
