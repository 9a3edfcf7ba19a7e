package transport

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"reflect"
	"slices"
)

// usualBody is larger than a usual profile.
const usualBody = 2 << 10

// HeedsContext reports whether reading a response body of t ends with the context of the request.
// It knows the types of net/http and golang.org/x/net.
func HeedsContext(t http.RoundTripper) bool {
	_, ok := t.(*http.Transport)
	return ok || reflect.TypeOf(t).String() == "*http2.Transport" // of golang.org/x/net
}

// ReadBody reads and closes the body of a response, up to limit. A longer body is cut, and the
// error is tooLarge. When ctx ends the reading, the error is the cause of ctx, not that of the
// transport. If the transport does not heed contexts, or the status is 101, the end of ctx closes
// the body.
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
	if expected < 0 { // unknown, or compressed
		expected = usualBody
	}
	// one byte more, to see the end without growing
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
