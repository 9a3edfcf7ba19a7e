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

// What Twilio answers, by HTTP status: errors.Is(err, trusthub.ErrNotFound). A status alone is not
// enough: a gateway that has lost its route answers 404, too. So an *[Error] is one of these only
// when it is [Error.FromTwilio].
var (
	ErrUnauthorized    = errors.New("trusthub: unauthorized")      // 401
	ErrForbidden       = errors.New("trusthub: forbidden")         // 403
	ErrNotFound        = errors.New("trusthub: not found")         // 404
	ErrTooManyRequests = errors.New("trusthub: too many requests") // 429
)

// ErrOutage means that FetchCustomerProfiles has ended since no request succeeded for too long, see
// [WithMaxOutage]. The error around it also wraps the SID's own last error, if a request was sent.
// If none was, its text says what happened to another SID.
var ErrOutage = errors.New("trusthub: the batch ended in an outage")

// ErrInvalidSID says that a string is not the SID of a Customer Profile, "BU" and 32 hexadecimal
// digits. Nothing was sent.
var ErrInvalidSID = errors.New("trusthub: invalid Customer Profile SID")

// ErrResponseTooLarge says that a body was longer than [WithMaxResponseBytes] permits. What was
// read of it is in the Body of the error around it.
var ErrResponseTooLarge = errors.New("trusthub: response too large")

// IsRetryable reports whether the same call may succeed when it is made again later. The attempts
// that a call makes by itself are over by then.
//
// It is true when there was no response, or none in time, or not all of it; when the deadline of
// the caller's context passed; with the statuses 429, 500, 502, 503 and 504; and with any response
// that bears no sign of Twilio ([Error.FromTwilio]). It is false when the caller's context was
// canceled; with a bad certificate and failed authentication; with another status of Twilio, and a
// complete 2xx of Twilio that is not the profile asked for; with [ErrInvalidSID], nil, and what is
// not the error of a call. An error of an [Auth], a middleware or a transport decides for itself if
// it has a method Retryable() bool.
func IsRetryable(err error) bool {
	f, ok := errors.AsType[failure](err)
	if !ok {
		return false
	}
	kind, _ := f.verdict()
	return kind == attempt.Throttled || kind == attempt.Transient || kind == attempt.Gateway
}

// Error is a response with a status other than 2xx. Its text holds request, status, code, message
// and request id, in less than 500 bytes. When nothing says that Twilio sent it, the text says so,
// with content type and Server header in place of code and message.
//
// See https://www.twilio.com/docs/usage/twilios-response.
type Error struct {
	StatusCode int // the HTTP status
	// Twilio's code, explained at https://www.twilio.com/docs/api/errors/{code}; 0 when the body had
	// none
	Code      int
	Message   string // Twilio's message as received, for people
	MoreInfo  string // the address of the code's documentation
	RequestID string // the Twilio-Request-Id header, which Twilio's support asks for
	// how long the response asked to wait; 0 when it did not; calls, batches and watches wait an hour
	// at most
	RetryAfter time.Duration
	Body       Body // as received, cut at the limit

	from    origin
	twilios bool // the body is evidence for Twilio
	// who has answered in place of Twilio, as far as can be seen; "" for Twilio, and for an Error made
	// by hand
	gateway string
	detail  string // of the body, beside Message
}

// FromTwilio reports whether there is evidence that Twilio sent the response, and not a proxy, a
// gateway or a firewall on the way: the Twilio-Request-Id header, or a body in one of Twilio's
// error shapes with an address on twilio.com or with a code that Twilio documents for its API as a
// whole. A body whose status is another than that of HTTP is no evidence. This guards against
// accidents; whoever is on the way to Twilio can fake it.
//
// When it is false, the response says nothing about the profile, the credentials or the
// permissions, whatever its status: the same call may succeed later ([IsRetryable]), and Code,
// Message and MoreInfo are not Twilio's. A test server that is to be taken for Twilio sends the
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

// Is reports whether target is the named error of e's status, and e is [Error.FromTwilio].
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

// Format prints the text, by value as by pointer: the fields hold what must not be printed.
func (e Error) Format(f fmt.State, verb rune) { text.Format(f, verb, e.Error()) }

// LogValue logs what [WithLogger] does of an attempt, and how many there were.
func (e Error) LogValue() slog.Value {
	return logResponse(e.from, &e, e.StatusCode, e.RequestID)
}

// DecodeError is a 2xx answer that is not what was asked for: another content type, malformed or
// truncated JSON, a value of the wrong type, another profile, an object that has nothing of one.
// Text that is not Unicode, such as half of a surrogate pair ("\ud83d"), is one too, and not
// replaced. Its text names the place and the kind of the problem, and quotes nothing of the body
// but the names on the way there.
type DecodeError struct {
	StatusCode int    // the HTTP status
	RequestID  string // the Twilio-Request-Id header, which Twilio's support asks for
	Pointer    string // the JSON pointer of the value that could not be read; "" for the whole body
	Body       Body   // as received, cut at the limit
	Err        error  `json:"-"` // the cause; its own text may quote the body

	from origin
}

func (e *DecodeError) Error() string {
	said := describe(e.from, fmt.Sprintf("cannot decode the answer with status %d: ", e.StatusCode))
	if e.Pointer != "" {
		said += text.Printable(e.Pointer, 100) + ": "
	}
	return said + describeCause(e.Err) + text.InBrackets(requestNote(e.RequestID))
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

// Format prints the text, by value as by pointer: the fields hold what must not be printed.
func (e DecodeError) Format(f fmt.State, verb rune) { text.Format(f, verb, e.Error()) }

// LogValue logs what [WithLogger] does of an attempt, and how many there were.
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

// describeGateway names what has answered, without its words.
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

// describeCause says what is wrong without the texts of the decoder and of the network, which quote
// what they read.
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

// Reason is why an attempt or a call failed, in a word that metrics and logs can be grouped by; ""
// for success.
type Reason string

// The reasons.
const (
	ReasonStatus Reason = "status" // a status other than 2xx, which is recorded beside it
	// a status other than 2xx, not sent by Twilio: see [Error.FromTwilio]
	ReasonGateway  Reason = "gateway"
	ReasonTimeout  Reason = "timeout"   // no complete response in the time of an attempt
	ReasonCanceled Reason = "canceled"  // the caller's context was canceled
	ReasonDeadline Reason = "deadline"  // the deadline of the caller's context passed
	ReasonRefused  Reason = "refused"   // no connection: refused, or nobody there
	ReasonReset    Reason = "reset"     // the connection broke before the response
	ReasonTorn     Reason = "torn"      // the connection broke in the middle of the body
	ReasonDNS      Reason = "dns"       // the name of the host was not found
	ReasonTLS      Reason = "tls"       // a bad certificate, no agreement on TLS, or no TLS at all
	ReasonProxy    Reason = "proxy"     // a proxy refused to connect
	ReasonTooLarge Reason = "too_large" // the body is larger than the limit
	ReasonAuth     Reason = "auth"      // the Auth failed, and nothing was sent
	// a complete 2xx that is not the profile asked for; of calls alone
	ReasonDecode Reason = "decode"
	ReasonPanic  Reason = "panic" // middleware or a transport panicked
	ReasonOther  Reason = "other" // an error of middleware, for example
)

// reasonOfEnd is the reason of a call whose context ended with err.
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
	if isNet && operation.Op == "proxyconnect" { // around what happened to the proxy
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

// brokeOff reports whether err is one of those for which net/http has no types: a connection of
// HTTP/1.1 or HTTP/2 that ended, or that brought something else than HTTP.
func brokeOff(err error) bool {
	return slices.ContainsFunc(brokenWords(), func(words string) bool { return strings.Contains(err.Error(), words) })
}
