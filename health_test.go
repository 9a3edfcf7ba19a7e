package trusthub_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/freeze"
)

// onFreezableLine has a client's own transport speak over a line that can freeze.
func onFreezableLine(t *testing.T, protocols *http.Protocols, opts ...trusthub.Option) (*trusthub.Client, *freeze.Line) {
	t.Helper()
	line := new(freeze.Line)
	server := inMemory(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Millisecond) // all that are made at once are under way at once
		answer(200, jsonType, acme)(w, nil)
	})
	replaceLine := func(next http.RoundTripper) http.RoundTripper {
		own := next.(*http.Transport)
		own.DialContext = line.Over(server.DialContext)
		own.Protocols = protocols
		t.Cleanup(own.CloseIdleConnections)
		return own
	}
	return newClient(t, "http://127.0.0.1", append(opts, defaults, trusthub.WithMiddleware(replaceLine))...), line
}

// inBothProtocols runs a test in a synctest bubble.
func inBothProtocols(t *testing.T, test func(*testing.T, *http.Protocols)) {
	t.Helper()
	for name, protocols := range map[string]*http.Protocols{"HTTP/1.1": nil, "HTTP/2": onlyHTTP2()} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, protocols) }) })
	}
}

// A connection that has died in silence, and all that are idle with it, cost the first call a retry
// and no more.
func TestFirstCallAfterTheConnectionsDied(t *testing.T) {
	inBothProtocols(t, func(t *testing.T, protocols *http.Protocols) {
		client, line := onFreezableLine(t, protocols)
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

// fetchAtOnce makes calls at the same time, all of which succeed.
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

// With short attempts, too, calls succeed again soon, however many wait for the dead connection.
func TestCallsRecoverFromDeadConnections(t *testing.T) {
	inBothProtocols(t, func(t *testing.T, protocols *http.Protocols) {
		for _, callers := range []int{1, 8, 64} {
			client, line := onFreezableLine(t, protocols, trusthub.WithTimeout(300*time.Millisecond))
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

// A caller's deadline, too, makes the idle connections suspect, and a caller that has lost interest
// does not.
func TestDeadlinesMakeIdleConnectionsSuspect(t *testing.T) {
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
			client, line := onFreezableLine(t, nil)
			fetchAtOnce(t, client, 20)
			line.Freeze()
			ctx, cancel := limit(t.Context())
			if _, err := client.FetchCustomerProfile(ctx, sid); err == nil {
				t.Error("a dead connection answered")
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

// The pings follow the time-out of an attempt: both times at most half of it, within bounds that no
// server objects to. What a program has set itself is kept.
func TestHealthChecksFollowTheTimeout(t *testing.T) {
	for _, test := range []struct{ timeout, send, wait time.Duration }{
		{30 * time.Second, 10 * time.Second, 5 * time.Second}, // the default
		{time.Hour, 10 * time.Second, 5 * time.Second},
		{12 * time.Second, 4 * time.Second, 2 * time.Second},
		{4500 * time.Millisecond, 1500 * time.Millisecond, time.Second},
		{time.Nanosecond, time.Second, time.Second},
	} {
		if got := ownTransport(t, trusthub.WithTimeout(test.timeout)).HTTP2; got.SendPingTimeout != test.send || got.PingTimeout != test.wait {
			t.Errorf("%v: ping after %v, closed after %v more", test.timeout, got.SendPingTimeout, got.PingTimeout)
		}
	}
	theirs := &http.HTTP2Config{SendPingTimeout: time.Minute, PingTimeout: time.Hour, MaxReadFrameSize: 1 << 20}
	replaceDefaultTransport(t, &http.Transport{HTTP2: theirs})
	if got := ownTransport(t).HTTP2; !reflect.DeepEqual(got, theirs) || got == theirs {
		t.Errorf("got %+v", got)
	}
}

// ownTransport returns the transport that a client makes for itself.
func ownTransport(t *testing.T, opts ...trusthub.Option) (own *http.Transport) {
	t.Helper()
	newClient(t, "https://h", append(opts, trusthub.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		own = next.(*http.Transport)
		return next
	}))...)
	return own
}

// What replaces the default transport has no pool of ours, which its program learns once.
func TestWarningOfAReplacedTransport(t *testing.T) {
	for name, transport := range map[string]http.RoundTripper{"replaced": roundTripFunc(nil), "as it was": http.DefaultTransport} {
		var out bytes.Buffer
		logger := trusthub.WithLogger(slog.New(slog.NewTextHandler(&out, nil)))
		replaceDefaultTransport(t, transport)
		newClient(t, "https://h", logger)
		if n := strings.Count(out.String(), "level=WARN"); n != 1 && name == "replaced" || n != 0 && name != "replaced" {
			t.Errorf("%s: got %q", name, out.String())
		}
		out.Reset()
		if over(t, roundTripFunc(nil), logger); out.Len() > 0 {
			t.Errorf("a transport of one's own: got %q", out.String())
		}
	}
}

func replaceDefaultTransport(t *testing.T, transport http.RoundTripper) {
	t.Helper()
	standard := http.DefaultTransport
	http.DefaultTransport = transport
	t.Cleanup(func() { http.DefaultTransport = standard })
}
