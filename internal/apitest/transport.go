package apitest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// RoundTripFunc is a transport.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Canned returns one fixed response, whose length is not announced.
func Canned(status int, header http.Header, body string) RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: req,
		}, nil
	}
}

// CannedJSON returns a response with status 200 and one fixed body.
func CannedJSON(body string) RoundTripFunc {
	return Canned(http.StatusOK, http.Header{"Content-Type": {JSON}}, body)
}

// OK returns a profile.
func OK() RoundTripFunc { return Handled(Answer(http.StatusOK, JSON, Profile)) }

// Unavailable returns a 503.
func Unavailable() RoundTripFunc { return Handled(Answer(http.StatusServiceUnavailable, Text, "")) }

// Throttled returns a 429 with a Retry-After header.
func Throttled(retryAfter string) RoundTripFunc { return Handled(Throttle(retryAfter)) }

// Handled is a handler as a transport, without a connection.
func Handled(handler http.HandlerFunc) RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		handler(recorder, req)
		return recorder.Result(), nil
	}
}

// Broken fails with err.
func Broken(err error) RoundTripFunc {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// Torn returns a response whose body breaks off.
func Torn() RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		answer, err := CannedJSON("")(req)
		answer.Body = io.NopCloser(io.MultiReader(strings.NewReader(Profile[:5]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return answer, err
	}
}

// After replies after a time, unless the request ends before.
func After(d time.Duration, reply RoundTripFunc) RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return reply(req)
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
}

// StuckBody is a body that knows nothing of contexts: only closing it ends a Read. A second Close
// panics.
type StuckBody chan struct{}

func (b StuckBody) Read([]byte) (int, error) { <-b; return 0, errors.New("read on closed body") }

// Close ends reading.
func (b StuckBody) Close() error { close(b); return nil }

// ReplaceDefaultTransport puts a transport in the place of http.DefaultTransport until the test
// ends.
func ReplaceDefaultTransport(t testing.TB, transport http.RoundTripper) {
	t.Helper()
	standard := http.DefaultTransport
	http.DefaultTransport = transport
	t.Cleanup(func() { http.DefaultTransport = standard })
}
