// Package contract validates HTTP traffic against the OpenAPI document of the SDK: in tests, in CI,
// and in production if its cost is acceptable.
//
//	client := server.Client(trusthub.WithMiddleware(contract.NewTransport)) // fails calls
//
//	client := server.Client(trusthub.WithMiddleware(contract.Observe(report))) // only reports
//
// It validates what the document states: path, parameters and credentials of a request; status,
// headers, content type and body of a response. Host, base path and the scheme of the Authorization
// header are free. These responses are not validated: status 429 or 5xx without JSON; a response
// other than 2xx without JSON and without a Twilio-Request-Id, since a gateway sent it; an
// incomplete body; and a body over 1 MiB. Bodies up to that size are held in memory. The caller
// reads exactly the bytes that came.
//
// The client can read every response that keeps the contract. It also reads some that break it: a
// new status or a malformed URI is passed on as it is.
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

// NewTransport returns a transport that fails with a *[Violation] for a request or a response that
// breaks the contract. Such a request is not sent. A nil next is http.DefaultTransport.
func NewTransport(next http.RoundTripper) http.RoundTripper {
	return &transport{next: orDefault(next), violated: func(v *Violation) error { return v }}
}

// Observe returns a middleware that reports violations and never fails a call. It also reports
// bodies over 1 MiB, which it does not validate. report is called before the caller gets the
// response, possibly from many goroutines at a time.
func Observe(report func(*Violation)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return &transport{next: orDefault(next), reportLarge: true, violated: func(v *Violation) error { report(v); return nil }}
	}
}

// Violation lists what is wrong with a request or a response.
type Violation struct {
	Direction  string    // "request" or "response"
	StatusCode int       // of the response; 0 for a request
	RequestID  string    // the Twilio-Request-Id of the response
	Findings   []Finding // the first 100 findings

	more    int // number of further findings
	twilios bool
}

// FromTwilio reports whether there is evidence that Twilio sent the response, as
// (*trusthub.Error).FromTwilio does. Without evidence, it is probably a gateway's, and says nothing
// about the contract of the API.
func (v *Violation) FromTwilio() bool { return v.twilios }

// maxFindings bounds the findings of a response: 1 MiB has room for 500,000.
const maxFindings = 100

// Finding is one breach of the contract. It never quotes a value of a body or a header.
type Finding struct {
	// JSON pointer into the body; "" for the whole body, and for other parts, which Reason names
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
			// quoted, since the names in it come from the server
			fmt.Fprintf(&text, "%.120q: ", finding.Pointer)
		}
		text.WriteString(finding.Reason)
	}
	if more := len(v.Findings) - shown + v.more; more > 0 {
		fmt.Fprintf(&text, "; %d more", more)
	}
	return text.String()
}

// Retryable returns false: a retry would break the contract again.
func (*Violation) Retryable() bool { return false }

// maxBody is the size up to which a body is validated.
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
	if findings := exchange.validateRequest(); len(findings) > 0 {
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
	findings, body := t.validateResponse(exchange, answer)
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

// validateResponse reads the body up to the limit, and puts it back. The end of the context closes
// a body without an end.
func (t *transport) validateResponse(exchange *exchange, answer *http.Response) (found []Finding, body []byte) {
	original, ctx := &onceCloser{ReadCloser: answer.Body}, exchange.request.Context()
	stop := context.AfterFunc(ctx, func() { _ = original.Close() })
	defer stop()
	body, err := io.ReadAll(io.LimitReader(original, maxBody+1))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // instead of the error of closing
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
		return []Finding{{Reason: "the body is over 1 MiB and was not validated"}}, body
	case len(body) > maxBody:
		return nil, body
	}
	return exchange.validateResponse(answer.StatusCode, answer.Header, body), body
}

// onceCloser closes only once, since a second Close may do anything.
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

// closeRequest closes the body of a request that is not sent, as a RoundTripper must.
func closeRequest(req *http.Request, err error) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return err
}
