package trusthub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
)

// ErrResponseTooLarge says that a body was longer than [WithMaxResponseBytes] permits. What was read of it is in the Body of the
// error around it.
var ErrResponseTooLarge = errors.New("trusthub: response too large")

// Response is what came over HTTP, filled by [WithResponseInto].
type Response struct {
	StatusCode int         // 0 when nothing was received
	Header     http.Header `json:"-"` // of the last attempt
	RequestID  string      // the Twilio-Request-Id header, which Twilio's support asks for
	Body       Body        // as received, decompressed, at most as long as the limit
	Attempts   int         // how many requests were sent
}

// Format prints status, request id and sizes, under every verb.
func (r Response) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "trusthub.Response(status %d, request %q, body %v, attempts %d)", r.StatusCode, r.RequestID, r.Body, r.Attempts)
}

// LogValue logs what Format prints.
func (r Response) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// Body is the body of an answer. It holds personal data, so that it prints as its length with every fmt verb, in slog
// and in JSON; string(body) and []byte(body) are the content. Where fmt asks no type how it prints, it cannot: in an
// unexported field of a struct, and under the verbs that go vet refuses, %p and a %w outside of fmt.Errorf.
type Body []byte

// Format prints the length in bytes.
func (b Body) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.size()) }

// LogValue logs the length in bytes.
func (b Body) LogValue() slog.Value { return slog.StringValue(b.size()) }

// MarshalText writes the length in bytes, for JSON and the like.
func (b Body) MarshalText() ([]byte, error) { return []byte(b.size()), nil }

func (b Body) size() string { return fmt.Sprintf("[%d bytes]", len(b)) }

// content is a response body in memory: what was read of it, then the error that ended the reading.
type content struct {
	reader  bytes.Reader // not embedded: its WriteTo would end without the error
	body    Body
	err     error // nil at a regular end
	failure error // *Error or *DecodeError when the answer cannot be one to decode
	from    origin
	call    *call // that it answers
}

// contentOf returns the content of an answer of the chain.
func contentOf(answer *http.Response) *content { return answer.Body.(*content) }

// usualBody is more than a profile has.
const usualBody = 2 << 10

// readContent puts the body of answer, up to limit, into memory. Why it ends with ctx is told by the cause of ctx: the
// transports have words of their own for that.
func readContent(ctx context.Context, answer *http.Response, limit int64) {
	body := answer.Body
	stop := context.AfterFunc(ctx, func() { _ = body.Close() }) // not every Read heeds ctx: after 101 Switching Protocols none does
	defer func() {
		if stop() { // once only: a second Close may do anything
			_ = body.Close()
		}
	}()
	var buf bytes.Buffer
	expected := answer.ContentLength
	if expected < 0 { // not announced, or compressed
		expected = usualBody
	}
	buf.Grow(int(min(expected, limit, 1<<20)) + bytes.MinRead) // with room to see the end, not to grow again
	_, err := buf.ReadFrom(io.LimitReader(body, min(limit, math.MaxInt64-1)+1))
	c := &content{body: buf.Bytes()}
	if err != nil {
		c.err = cmp.Or(context.Cause(ctx), err)
	}
	if int64(len(c.body)) > limit {
		c.body, c.err = c.body[:limit:limit], ErrResponseTooLarge
	}
	c.reader.Reset(c.body)
	answer.Body = c
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.reader.Read(p)
	if errors.Is(err, io.EOF) && c.err != nil {
		err = c.err
	}
	return n, err
}

func (*content) Close() error { return nil }

// record fills the Responses that the caller of the facade asked for.
func (c *callOptions) record(answer *http.Response, attempts int) {
	if c == nil {
		return
	}
	r := Response{Attempts: attempts}
	if answer != nil {
		r.StatusCode = answer.StatusCode
		r.Header = answer.Header
		r.RequestID = requestID(answer)
		r.Body = contentOf(answer).body
	}
	c.fill(r)
}

func (c *callOptions) fill(r Response) {
	for _, response := range c.responses {
		*response = r
	}
}

func requestID(answer *http.Response) string { return answer.Header.Get("Twilio-Request-Id") }
