package transport

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"math"
	"net/http"
)

// usualBody is more than a profile has.
const usualBody = 2 << 10

// ReadBody reads the body of an answer, up to limit, and closes it. A body that is longer is cut at
// the limit, with tooLarge as its error. When ctx ends the reading, the error is the cause of ctx:
// transports have words of their own for that.
func ReadBody(ctx context.Context, answer *http.Response, limit int64, tooLarge error) ([]byte, error) {
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
	if err != nil {
		err = cmp.Or(context.Cause(ctx), err)
	}
	read := buf.Bytes()
	if int64(len(read)) > limit {
		return read[:limit:limit], tooLarge
	}
	return read, err
}
