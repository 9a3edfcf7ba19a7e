// Package contract holds HTTP traffic against the OpenAPI document of the SDK, in tests, in CI, and
// in production where one is willing to pay for it:
//
//	client := server.Client(trusthub.WithMiddleware(contract.NewTransport)) // fails calls
//	client := server.Client(trusthub.WithMiddleware(contract.Observe(report))) // only reports
//
// It judges what the document states: path, parameters and credentials of a request; status,
// headers, content type and body of an answer. Host, base path and the scheme of the Authorization
// header are free. Not judged are an answer with status 429 or 5xx that is not JSON, nor one with
// any status but 2xx that is neither JSON nor bears a Twilio-Request-Id: a gateway sent it, and not
// the API. Nor are a body that could not be read to its end, and a body over 1 MiB. Bodies up to
// that size are held in memory; what the caller reads is byte for byte what came.
//
// An answer that keeps the contract can be read by the client. The client reads some that break it,
// too: it passes on a new status or a malformed URI as it is.
//
// The document is parsed once, on first use. All functions are safe for concurrent use.
package contract

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/seed07fc1495/trusthub/internal/apierror"
)

// NewTransport returns a transport that fails with a *[Violation] where a request or an answer
// breaks the contract. A request that does is not sent. nil means http.DefaultTransport.
func NewTransport(next http.RoundTripper) http.RoundTripper {
	return &transport{next: orDefault(next), violated: func(v *Violation) error { return v }}
}

// Observe returns a middleware that reports what breaks the contract and never fails a call for it.
// It also reports bodies over 1 MiB, which it does not judge. report is called before the caller
// gets the answer, possibly from many goroutines at a time.
func Observe(report func(*Violation)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return &transport{next: orDefault(next), reportLarge: true, violated: func(v *Violation) error { report(v); return nil }}
	}
}

// Violation is all that is wrong with a request or with an answer.
type Violation struct {
	Direction  string    // "request" or "response"
	StatusCode int       // of the answer; 0 for a request
	RequestID  string    // the Twilio-Request-Id of the answer
	Findings   []Finding // the first 100 of them

	more    int // findings beyond those
	twilios bool
}

// FromTwilio reports whether there is evidence that Twilio sent the response, as
// (*trusthub.Error).FromTwilio does. Without any, it is likely a gateway's: it says nothing about
// the contract of the API.
func (v *Violation) FromTwilio() bool { return v.twilios }

// maxFindings bounds what is kept of an answer in which everything is wrong: 1 MiB has room for
// 500,000 of it.
const maxFindings = 100

// Finding is one breach of the contract. It never quotes a value of a body or a header.
type Finding struct {
	// JSON pointer into the body; "" for its whole and for what is outside of it, which Reason names
	Pointer string
	Reason  string
}

func (v *Violation) Error() string {
	const shown = 5
	var text strings.Builder
	fmt.Fprintf(&text, "contract: the %s", v.Direction)
	if v.StatusCode != 0 {
		fmt.Fprintf(&text, " with status %d", v.StatusCode)
	}
	text.WriteString(" breaks the contract")
	for _, finding := range v.Findings[:min(len(v.Findings), shown)] {
		text.WriteString("; ")
		if finding.Pointer != "" {
			fmt.Fprintf(&text, "%.120q: ", finding.Pointer) // quoted, since names in it come from the server
		}
		text.WriteString(finding.Reason)
	}
	if more := len(v.Findings) - shown + v.more; more > 0 {
		fmt.Fprintf(&text, "; %d more", more)
	}
	return text.String()
}

// Retryable reports false: asking again does not change what the server understands by the
// contract.
func (*Violation) Retryable() bool { return false }

// maxBody is the size up to which a body is judged.
const maxBody = 1 << 20

type transport struct {
	next        http.RoundTripper
	violated    func(*Violation) error
	reportLarge bool
}

func orDefault(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		return http.DefaultTransport
	}
	return next
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	doc, err := load()
	if err != nil {
		return nil, err
	}
	exchange := doc.find(req)
	if findings := exchange.judgeRequest(); len(findings) > 0 {
		if err := t.violated(&Violation{Direction: "request", Findings: findings}); err != nil {
			return nil, closeRequest(req, err)
		}
	}
	answer, err := t.next.RoundTrip(req)
	if err != nil || answer == nil {
		return nil, err
	}
	if answer.Body == nil {
		answer.Body = http.NoBody
	}
	findings, body := t.judgeResponse(exchange, answer)
	if len(findings) == 0 {
		return answer, nil
	}
	violation := &Violation{
		Direction: "response", StatusCode: answer.StatusCode, RequestID: answer.Header.Get(apierror.RequestID), Findings: findings,
		twilios: apierror.FromTwilio(answer.StatusCode, answer.Header, body),
	}
	if violation.more = max(len(findings)-maxFindings, 0); violation.more > 0 {
		violation.Findings = slices.Clone(findings[:maxFindings])
	}
	if err := t.violated(violation); err != nil {
		_ = answer.Body.Close()
		return nil, err
	}
	return answer, nil
}

// judgeResponse reads the body up to the limit, and puts it back. The end of the context closes a
// body that would go on.
func (t *transport) judgeResponse(exchange *exchange, answer *http.Response) (found []Finding, body []byte) {
	original, ctx := &onceCloser{ReadCloser: answer.Body}, exchange.request.Context()
	stop := context.AfterFunc(ctx, func() { _ = original.Close() })
	defer stop()
	body, err := io.ReadAll(io.LimitReader(original, maxBody+1))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // not that it was closed
	}
	rest := io.Reader(original)
	if err != nil {
		rest = failingReader{err}
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), original}
	switch {
	case err != nil:
		return nil, body
	case len(body) > maxBody && t.reportLarge:
		return []Finding{{Reason: "the body is over 1 MiB and was not judged"}}, body
	case len(body) > maxBody:
		return nil, body
	}
	return exchange.judgeResponse(answer.StatusCode, answer.Header, body), body
}

// onceCloser closes once: a second Close may do anything.
type onceCloser struct {
	io.ReadCloser
	once sync.Once
	err  error
}

func (c *onceCloser) Close() error {
	c.once.Do(func() { c.err = c.ReadCloser.Close() })
	return c.err
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// closeRequest keeps the promise of a RoundTripper to close the body of a request that it does not
// send.
func closeRequest(req *http.Request, err error) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return err
}
