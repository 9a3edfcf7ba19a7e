package trusthub_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const sid = trusthubtest.ExampleSID

// acme is a profile, and not much more.
const acme = `{"friendly_name":"Acme"}`

// TestMain keeps the credentials and settings of whoever runs the tests out of them.
func TestMain(m *testing.M) {
	for _, assignment := range os.Environ() {
		if key, _, _ := strings.Cut(assignment, "="); strings.HasPrefix(key, "TWILIO_") {
			_ = os.Unsetenv(key)
		}
	}
	os.Exit(m.Run())
}

// newClient returns a client with valid credentials for the server at url. It tries once, unless an option says otherwise.
func newClient(t testing.TB, url string, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	opts = append([]trusthub.Option{trusthub.WithBaseURL(url), trusthub.WithRetry(once)}, opts...)
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

var once = trusthub.RetryPolicy{MaxAttempts: 1}

// fetchFunc fetches the example in one of the two ways, and returns the status of the answer.
type fetchFunc func(context.Context, *trusthub.Client) (status int, err error)

// inBothWays runs a test through the facade and through the generated client, in a synctest bubble.
func inBothWays(t *testing.T, test func(*testing.T, fetchFunc)) {
	t.Helper()
	for name, fetch := range map[string]fetchFunc{
		"facade": func(ctx context.Context, c *trusthub.Client) (int, error) {
			var response trusthub.Response
			profile, err := c.FetchCustomerProfile(ctx, sid, trusthub.WithResponseInto(&response))
			if (profile == nil) == (err == nil) {
				t.Errorf("profile %v with error %v", profile, err)
			}
			return response.StatusCode, err
		},
		"generated": func(ctx context.Context, c *trusthub.Client) (int, error) {
			answer, err := c.Generated().FetchCustomerProfileWithResponse(ctx, sid)
			if err != nil {
				return 0, err
			}
			return answer.StatusCode(), nil
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, fetch) }) })
	}
}

// inMemory returns a transport to a server without sockets, which a synctest bubble can wait for. The server speaks HTTP/2,
// too, to a transport with the protocols of [onlyHTTP2].
func inMemory(t *testing.T, handler http.HandlerFunc) *http.Transport {
	t.Helper()
	listener := pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case listener.conns <- far:
			return near, nil
		case <-listener.closed:
			return nil, net.ErrClosed
		}
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return transport
}

func onlyHTTP2() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Close() error   { close(l.closed); return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// over is a client of a transport.
func over(t testing.TB, transport http.RoundTripper, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	return newClient(t, "http://127.0.0.1", append(opts, trusthub.WithHTTPClient(&http.Client{Transport: transport}))...)
}

// serve starts a server for one test and returns its address.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// answer returns a handler with one fixed answer and a request id.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		if contentType == "" {
			w.Header()["Content-Type"] = nil // keeps net/http from guessing one
		}
		w.Header().Set("Twilio-Request-Id", "RQ1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
