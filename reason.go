package trusthub

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/seed07fc1495/trusthub/internal/transport"
)

// Reason is why an attempt or a call failed, in a word that metrics and logs can be grouped by; ""
// for success.
type Reason string

// The reasons.
const (
	ReasonStatus   Reason = "status"    // a status other than 2xx, which is recorded beside it
	ReasonGateway  Reason = "gateway"   // a status other than 2xx, not sent by Twilio: see [Error.FromTwilio]
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
	ReasonDecode   Reason = "decode"    // a complete 2xx that is not the profile asked for; of calls alone
	ReasonPanic    Reason = "panic"     // middleware or a transport panicked
	ReasonOther    Reason = "other"     // an error of middleware, for example
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
