package transport_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub/internal/transport"
)

var errTooLarge = errors.New("too large")

// A body of exactly the limit is accepted. The maximum int64 means no limit.
func TestReadBody(t *testing.T) {
	const acme = `{"friendly_name":"Acme"}`
	const size = int64(len(acme))
	for name, test := range map[string]struct {
		announced int64 // -1: unknown
		body      string
		limit     int64
		kept      string
		err       error
	}{
		"the limit":             {-1, acme, size, acme, nil},
		"the limit, announced":  {size, acme, size, acme, nil},
		"one more":              {-1, acme, size - 1, acme[:size-1], errTooLarge},
		"one more, announced":   {size, acme, size - 1, acme[:size-1], errTooLarge},
		"no limit":              {-1, acme, math.MaxInt64, acme, nil},
		"no limit, huge length": {math.MaxInt64, acme, math.MaxInt64, acme, nil},
		"one below no limit":    {-1, acme, math.MaxInt64 - 1, acme, nil},
		"a byte, and one byte":  {-1, "{", 1, "{", nil},
		"a byte, and two bytes": {-1, "{}", 1, "{", errTooLarge},
		"a byte, and no body":   {0, "", 1, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			body := &body{Reader: strings.NewReader(test.body)}
			response := &http.Response{Body: body, ContentLength: test.announced}
			kept, err := transport.ReadBody(t.Context(), response, false, test.limit, errTooLarge)
			if string(kept) != test.kept || !errors.Is(err, test.err) || body.closed.Load() != 1 {
				t.Errorf("kept %q, %v, closed %d times", kept, err, body.closed.Load())
			}
		})
	}
}

// body counts the calls of Close.
type body struct {
	io.Reader
	closed atomic.Int64
}

func (b *body) Close() error { b.closed.Add(1); return nil }

// ReadBody returns the part of a truncated body that arrived.
func TestReadTruncatedBody(t *testing.T) {
	for _, failure := range []error{io.ErrUnexpectedEOF, errors.New("reset")} {
		body := &body{Reader: io.MultiReader(strings.NewReader(`{"sid"`), iotest.ErrReader(failure))}
		kept, err := transport.ReadBody(t.Context(), &http.Response{Body: body, ContentLength: 100}, true, 1000, errTooLarge)
		if string(kept) != `{"sid"` || !errors.Is(err, failure) || body.closed.Load() != 1 {
			t.Errorf("kept %q, %v, closed %d times", kept, err, body.closed.Load())
		}
	}
}

// stuck is a body that ignores contexts. Only Close ends its Read.
type stuck struct {
	body
	unblock chan struct{}
}

func (b *stuck) Read([]byte) (int, error) { <-b.unblock; return 0, errors.New("read on closed body") }

// Close panics when it is called twice.
func (b *stuck) Close() error { close(b.unblock); return b.body.Close() }

// The end of the context also ends a Read that ignores it, and the error is the cause of the
// context. With a transport that observes the context, only the body after 101 Switching Protocols
// needs this.
func TestReadBodyThatIgnoresTheContext(t *testing.T) {
	for heeds, status := range map[bool]int{false: http.StatusOK, true: http.StatusSwitchingProtocols} {
		synctest.Test(t, func(t *testing.T) {
			cause := errors.New("shutting down")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
			body, start := &stuck{unblock: make(chan struct{})}, time.Now()
			response := &http.Response{StatusCode: status, Body: body, ContentLength: -1}
			kept, err := transport.ReadBody(ctx, response, heeds, 1000, errTooLarge)
			if len(kept) > 0 || !errors.Is(err, cause) || time.Since(start) != time.Second || body.closed.Load() != 1 {
				t.Errorf("kept %q, %v after %v, closed %d times", kept, err, time.Since(start), body.closed.Load())
			}
		})
	}
}

// HeedsContext is false for a wrapper, which may replace the body.
func TestHeedsContext(t *testing.T) {
	for want, next := range map[bool]http.RoundTripper{true: new(http.Transport), false: wrapper{new(http.Transport)}} {
		if transport.HeedsContext(next) != want {
			t.Errorf("%T: want %v", next, want)
		}
	}
}

type wrapper struct{ http.RoundTripper }

// Memory is bounded by a multiple of the limit, for every Content-Length and body.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 1 << 20
	endless := io.NopCloser(spaces{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := transport.ReadBody(t.Context(), &http.Response{Body: endless, ContentLength: 1 << 60}, true, limit, errTooLarge); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 5*limit {
		t.Errorf("%d bytes allocated for a limit of %d", allocated, limit)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
