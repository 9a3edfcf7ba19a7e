package trusthub_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// Concurrent calls over HTTP/1.1 use one connection each, and reuse it.
func TestConnectionsAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := apitest.OnFreezableLine(t, nil)
		for range 20 {
			fetchAtOnce(t, client, 64)
		}
		if n := line.Freeze(); n != 64 {
			t.Errorf("%d connections in the end", n)
		}
	})
}

// CloseIdleConnections leaves no goroutine or connection. The client can still be used.
func TestCloseIdleConnections(t *testing.T) {
	apitest.InBothProtocols(t, func(t *testing.T, protocols *http.Protocols) {
		client, line := apitest.OnFreezableLine(t, protocols)
		for range 2 {
			fetchAtOnce(t, client, 5)
			for result := range client.FetchCustomerProfiles(t.Context(), slices.Values([]string{sid, sid})) {
				if result.Err != nil {
					t.Error(result.Err)
				}
			}
			client.CloseIdleConnections()
			synctest.Wait()
			if n := line.Freeze(); n > 0 {
				t.Errorf("%d connections left", n)
			}
		}
	})
}

type idleCloser struct {
	apitest.RoundTripFunc
	t *testing.T
}

func (c idleCloser) CloseIdleConnections() { c.t.Error("closed the connections of another transport") }

func TestConnectionsOfOthersAreNotClosed(t *testing.T) {
	theirs := idleCloser{apitest.OK(), t}
	apitest.Over(t, theirs).CloseIdleConnections()
	apitest.ReplaceDefaultTransport(t, theirs)
	apitest.At(t, "https://h").CloseIdleConnections()
}

// After every kind of response, the connection serves the next request.
func TestConnectionsAreReleased(t *testing.T) {
	status := 200
	url, opened := countConnections(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		apitest.Answer(status, apitest.JSON, `{"code":1}`)(w, r)
	}))
	client := apitest.At(t, url)
	for _, status = range []int{200, 201, 204, 302, 401, 404, 429, 500, 503} {
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections", opened.Load())
	}
}

// countConnections starts a server that counts its connections.
func countConnections(t *testing.T, handler http.Handler) (url string, opened *atomic.Int32) {
	t.Helper()
	opened = new(atomic.Int32)
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, opened
}

// A mock or tracer that replaces http.DefaultTransport receives the requests.
func TestReplacedDefaultTransportIsUsed(t *testing.T) {
	for name, opts := range map[string][]trusthub.Option{
		"no HTTP client":               nil,
		"HTTP client and no transport": {trusthub.WithHTTPClient(new(http.Client))},
	} {
		sent := 0
		apitest.ReplaceDefaultTransport(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent++
			return apitest.OK()(req)
		}))
		client := apitest.At(t, "https://trusthub.invalid", opts...)
		apitest.ReplaceDefaultTransport(t, apitest.RoundTripFunc(nil)) // too late to have an effect
		if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || sent != 1 {
			t.Errorf("%s: got %v, %d sent", name, err, sent)
		}
	}
	given := trusthub.WithHTTPClient(&http.Client{Transport: apitest.OK()})
	if _, err := apitest.At(t, "https://h", given).FetchCustomerProfile(t.Context(), sid); err != nil {
		t.Errorf("given transport: %v", err)
	}
}

// A client warns once that the replaced default transport is not tuned.
func TestWarningOfAReplacedTransport(t *testing.T) {
	for name, transport := range map[string]http.RoundTripper{"replaced": apitest.RoundTripFunc(nil), "as it was": http.DefaultTransport} {
		var out bytes.Buffer
		logger := trusthub.WithLogger(slog.New(slog.NewTextHandler(&out, nil)))
		apitest.ReplaceDefaultTransport(t, transport)
		// The client of a CallbackHandler has its own transport.
		_, _ = apitest.At(t, "https://h", logger).CallbackHandler(trusthub.CallbackConfig{
			PublicURL: "https://h", Keys: []trusthub.SigningKey{trusthub.AuthToken("token")},
			Handle: func(context.Context, *trusthub.CustomerProfile, trusthub.CallbackEvent) error { return nil },
		})
		if n := strings.Count(out.String(), "level=WARN"); n != 1 && name == "replaced" || n != 0 && name != "replaced" {
			t.Errorf("%s: got %q", name, out.String())
		}
		out.Reset()
		if apitest.Over(t, apitest.RoundTripFunc(nil), logger); out.Len() > 0 {
			t.Errorf("own transport: got %q", out.String())
		}
	}
}

func TestMiddlewareOrder(t *testing.T) {
	var order []string
	named := func(name string) func(http.RoundTripper) http.RoundTripper {
		return func(next http.RoundTripper) http.RoundTripper {
			return apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				if req.Header.Get("Authorization") == "" {
					t.Error("called before authentication")
				}
				order = append(order, name)
				return next.RoundTrip(req)
			})
		}
	}
	s := apitest.NewScript(apitest.Answer(503, apitest.Text, ""), apitest.Answer(200, apitest.JSON, apitest.Profile))
	client := apitest.At(t, apitest.Serve(t, s.ServeHTTP), trusthub.WithRetry(trusthub.RetryPolicy{MinWait: time.Nanosecond, MaxWait: time.Nanosecond}),
		trusthub.WithMiddleware(named("a"), named("b")), trusthub.WithMiddleware(named("c")))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c", "a", "b", "c"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v, once an attempt", order, want)
	}
}

// Errors do not quote malformed HTTP of a server.
func TestMalformedHTTPIsNotQuoted(t *testing.T) {
	for name, wire := range map[string]string{
		"status line":    "SECRET\r\n\r\n",
		"version":        "SECRET/1.1 200 OK\r\n\r\n",
		"status":         "HTTP/1.1 SECRET\r\n\r\n",
		"header":         "HTTP/1.1 200 OK\r\nSECRET\r\n\r\n",
		"header name":    "HTTP/1.1 200 OK\r\nSEC RET: SECRET\r\n\r\n",
		"content length": "HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n",
		"lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: SECRET\r\n\r\n",
		"encoding":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\n",
		"chunk":          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n",
		"location":       "HTTP/1.1 302 Found\r\nLocation: http://SECRET:x\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.At(t, apitest.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = conn.Write([]byte(wire))
			}))
			_, err := client.FetchCustomerProfile(t.Context(), sid)
			if err == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A client keeps at most 256 idle connections.
func TestIdleConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, line := apitest.OnFreezableLine(t, nil)
		fetchAtOnce(t, client, 300)
		synctest.Wait()
		if n := line.Freeze(); n != 256 {
			t.Errorf("%d connections in the end", n)
		}
	})
}

type closeCounter struct {
	http.RoundTripper
	closed int
}

func (c *closeCounter) CloseIdleConnections() { c.closed++ }

// A client does not change the transport of WithHTTPClient, and does not close its idle
// connections.
func TestGivenTransportIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := &closeCounter{RoundTripper: apitest.After(time.Hour, nil)}
		_, err := apitest.Over(t, theirs).FetchCustomerProfile(t.Context(), sid)
		if !errors.Is(err, context.DeadlineExceeded) || theirs.closed > 0 {
			t.Errorf("%v, and its idle connections were closed %d times", err, theirs.closed)
		}
		given := new(http.Transport)
		apitest.Over(t, given)
		if given.HTTP2 != nil || given.TLSClientConfig != nil || given.MaxIdleConnsPerHost != 0 {
			t.Errorf("changed: %+v", given)
		}
	})
}

// After connections die without notice, the first call needs one retry, however many idle
// connections there were.
func TestFirstCallAfterTheConnectionsDied(t *testing.T) {
	apitest.InBothProtocols(t, func(t *testing.T, protocols *http.Protocols) {
		client, line := apitest.OnFreezableLine(t, protocols)
		for _, idle := range []int{1, 2, 20} {
			fetchAtOnce(t, client, idle)
			if n := line.Freeze(); protocols == nil && n != idle || n == 0 {
				t.Fatalf("%d connections, want %d", n, idle)
			}
			start := time.Now()
			var response trusthub.Response
			_, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
			if err != nil || response.Attempts != 2 {
				t.Errorf("%d idle: got %v after %d attempts and %v", idle, err, response.Attempts, time.Since(start))
			}
		}
	})
}

// fetchAtOnce makes concurrent calls, which must succeed.
func fetchAtOnce(t *testing.T, client *trusthub.Client, calls int) {
	t.Helper()
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// With a short timeout per attempt, calls succeed again soon, however many wait for the dead
// connection.
func TestCallsRecoverFromDeadConnections(t *testing.T) {
	apitest.InBothProtocols(t, func(t *testing.T, protocols *http.Protocols) {
		for _, callers := range []int{1, 8, 64} {
			client, line := apitest.OnFreezableLine(t, protocols, trusthub.WithTimeout(300*time.Millisecond))
			fetchAtOnce(t, client, 100)
			line.Freeze()
			start := time.Now()
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					for time.Since(start) < time.Minute {
						if _, err := client.FetchCustomerProfile(t.Context(), sid); err == nil {
							break
						}
					}
				})
			}
			all.Wait()
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%d callers: %v until all succeeded", callers, took)
			}
		}
	})
}

// A caller's deadline makes the client drop idle connections. A cancellation does not.
func TestDeadlinesCloseIdleConnections(t *testing.T) {
	deadline := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Second)
	}
	canceled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		return ctx, cancel
	}
	synctest.Test(t, func(t *testing.T) {
		for attempts, limit := range map[int]func(context.Context) (context.Context, context.CancelFunc){1: deadline, 2: canceled} {
			client, line := apitest.OnFreezableLine(t, nil)
			fetchAtOnce(t, client, 20)
			line.Freeze()
			ctx, cancel := limit(t.Context())
			if _, err := client.FetchCustomerProfile(ctx, sid); err == nil {
				t.Error("got a response over a dead connection")
			}
			cancel()
			var response trusthub.Response
			_, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
			if err != nil || response.Attempts != attempts {
				t.Errorf("got %v after %d attempts, want %d", err, response.Attempts, attempts)
			}
		}
	})
}

// The client's own transport is tuned for WithTimeout. The details are tested in package transport.
func TestHealthChecksFollowTheTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{30 * time.Second: 10 * time.Second, 12 * time.Second: 4 * time.Second} {
		if got := ownTransport(t, trusthub.WithTimeout(timeout)).HTTP2.SendPingTimeout; got != want {
			t.Errorf("%v: ping after %v", timeout, got)
		}
	}
	if got := ownTransport(t).HTTP2.SendPingTimeout; got != 10*time.Second {
		t.Errorf("by default: ping after %v", got)
	}
}

// ownTransport returns the transport that a client makes.
func ownTransport(t *testing.T, opts ...trusthub.Option) (own *http.Transport) {
	t.Helper()
	apitest.At(t, "https://h", append(opts, trusthub.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		own = next.(*http.Transport)
		return next
	}))...)
	return own
}
