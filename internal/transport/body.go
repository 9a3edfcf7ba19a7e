package transport

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"reflect"
	"slices"
)

// usualBody is more than a profile has.
const usualBody = 2 << 10

// HeedsContext reports whether a body that t has received ends with the context of its request.
// It knows the types that net/http knows.
func HeedsContext(t http.RoundTripper) bool {
	_, ok := t.(*http.Transport)
	return ok || reflect.TypeOf(t).String() == "*http2.Transport" // of golang.org/x/net
}

// ReadBody reads the body of an answer, up to limit, and closes it. A body that is longer is cut at
// the limit, with tooLarge as its error. When ctx ends the reading, the error is the cause of ctx:
// transports have words of their own for that. The body of a transport that does not heed contexts
// is closed then, and that of 101 Switching Protocols, which no transport ends.
func ReadBody(ctx context.Context, answer *http.Response, heedsContext bool, limit int64, tooLarge error) ([]byte, error) {
	body := answer.Body
	if heedsContext && answer.StatusCode != http.StatusSwitchingProtocols {
		defer body.Close()
	} else {
		stop := context.AfterFunc(ctx, func() { _ = body.Close() })
		defer func() {
			if stop() { // once only: a second Close may do anything
				_ = body.Close()
			}
		}()
	}
	expected := answer.ContentLength
	if expected < 0 { // not announced, or compressed
		expected = usualBody
	}
	// with room to see the end, not to grow again
	read := make([]byte, 0, min(expected, limit, 1<<20)+1)
	for {
		read = slices.Grow(read, 1)
		n, err := body.Read(read[len(read):cap(read)])
		switch read = read[:len(read)+n]; {
		case int64(len(read)) > limit:
			return read[:limit:limit], tooLarge
		case err == io.EOF:
			return read, nil
		case err != nil:
			return read, cmp.Or(context.Cause(ctx), err)
		}
	}
}
