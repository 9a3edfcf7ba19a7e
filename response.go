package trusthub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed07fc1495/trusthub/internal/apierror"
)

// Response is the HTTP response of a call, filled by [WithResponseInto].
type Response struct {
	StatusCode int         // 0 when there was no response
	Header     http.Header `json:"-"` // of the last attempt
	RequestID  string      // the Twilio-Request-Id header, which Twilio's support asks for
	Body       Body        // as received, decompressed, at most as long as the limit
	Attempts   int         // number of requests sent

	sentAt time.Time // send time of the last request
}

// Format prints status, request id and sizes, under every verb.
func (r Response) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "trusthub.Response(status %d, request %q, body %v, attempts %d)", r.StatusCode, r.RequestID, r.Body, r.Attempts)
}

// LogValue logs what Format prints.
func (r Response) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// Body is the body of a response. It holds personal data, so it prints as its length with every fmt
// verb, in slog and in JSON. Use string(body) or []byte(body) to read it. fmt prints the content of
// a Body in an unexported field of a struct, and under the verbs that go vet rejects: %p, and %w
// outside of fmt.Errorf.
type Body []byte

// Format prints the length in bytes.
func (b Body) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.size()) }

// LogValue logs the length in bytes.
func (b Body) LogValue() slog.Value { return slog.StringValue(b.size()) }

// MarshalText writes the length in bytes, for JSON and the like.
func (b Body) MarshalText() ([]byte, error) { return []byte(b.size()), nil }

func (b Body) size() string { return fmt.Sprintf("[%d bytes]", len(b)) }

// answer is a response whose body is in memory.
type answer struct {
	*http.Response
	body      Body
	bodyErr   error // why the body is incomplete
	failure   error // *Error or *DecodeError
	undecoded bool  // a complete 2xx that could not be decoded
}

func (a *answer) requestID() string { return a.Header.Get(apierror.RequestID) }

// memoryBody is a body in memory that ends with the error of reading it.
type memoryBody struct {
	reader bytes.Reader // not embedded: its WriteTo would not return the error
	err    error
}

func (b *memoryBody) Read(p []byte) (int, error) {
	n, err := b.reader.Read(p)
	if errors.Is(err, io.EOF) && b.err != nil {
		err = b.err
	}
	return n, err
}

func (*memoryBody) Close() error { return nil }

// callOptions are the Responses to fill.
type callOptions []*Response

// record fills the Responses that the caller asked for.
func (c callOptions) record(a *answer, attempts int, sentAt time.Time) {
	if len(c) == 0 {
		return
	}
	r := Response{Attempts: attempts, sentAt: sentAt}
	if a != nil {
		r.StatusCode, r.Header, r.RequestID, r.Body = a.StatusCode, a.Header, a.requestID(), a.body
	}
	c.fill(r)
}

func (c callOptions) fill(r Response) {
	for _, response := range c {
		*response = r
	}
}
