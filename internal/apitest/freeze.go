package apitest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/freeze"
)

// OnFreezableLine returns a client whose own transport uses a line that can freeze.
func OnFreezableLine(t *testing.T, protocols *http.Protocols, opts ...trusthub.Option) (*trusthub.Client, *freeze.Line) {
	t.Helper()
	line := new(freeze.Line)
	server := InMemory(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Millisecond) // so that calls of the same moment are in flight together
		Answer(200, JSON, Profile)(w, nil)
	})
	replaceLine := func(next http.RoundTripper) http.RoundTripper {
		own := next.(*http.Transport)
		own.DialContext = line.Over(server.DialContext)
		own.Protocols = protocols
		t.Cleanup(own.CloseIdleConnections)
		return own
	}
	return At(t, "http://127.0.0.1", append(opts, Defaults(), trusthub.WithMiddleware(replaceLine))...), line
}

// InBothProtocols runs a test in a synctest bubble.
func InBothProtocols(t *testing.T, test func(*testing.T, *http.Protocols)) {
	t.Helper()
	for name, protocols := range map[string]*http.Protocols{"HTTP/1.1": nil, "HTTP/2": OnlyHTTP2()} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, protocols) }) })
	}
}
