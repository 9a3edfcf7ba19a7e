package trusthub_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
)

func TestStats(t *testing.T) {
	inBothWays(t, func(t *testing.T, fetch fetchFunc) {
		s := &script{handlers: []http.HandlerFunc{answer(503, textType, ""), refusal("5"), func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Second)
			answer(200, jsonType, acme)(w, r)
		}}}
		client := over(t, inMemory(t, s.ServeHTTP), defaults, trusthub.WithMaxConcurrency(2))
		expectStats(t, client, trusthub.Stats{Limit: 2, RetriesLeft: 100})
		for range 3 {
			go func() { _, _ = fetch(t.Context(), client) }()
			synctest.Wait()
		}
		expectStats(t, client, trusthub.Stats{Limit: 1.6, Waiting: 2, RetriesLeft: 98, Paused: 5 * time.Second, FailingSince: time.Now()})
		failed := time.Now()
		time.Sleep(6 * time.Second)
		expectStats(t, client, trusthub.Stats{Limit: 1.6, InFlight: 1, Waiting: 2, RetriesLeft: 98, FailingSince: failed})
		time.Sleep(time.Minute)
		if got := client.Stats(); got.InFlight != 0 || got.Waiting != 0 || got.RetriesLeft != 98 {
			t.Errorf("got %+v", got)
		}
	})
}

// A 404 of Twilio is a success, since Twilio has answered; a gateway's is none.
func TestStatsOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		twilios := http.Header{"Twilio-Request-Id": {"RQ1"}}
		reply := canned(404, twilios, "")
		client := over(t, roundTripFunc(func(req *http.Request) (*http.Response, error) { return reply(req) }))
		var lastSuccess time.Time
		for i, test := range []struct {
			reply   roundTripFunc
			success bool
		}{
			{canned(404, twilios, ""), true},
			{canned(404, nil, ""), false},
			{canned(503, twilios, ""), false},
			{canned(401, twilios, ""), false},
			{canned(200, http.Header{"Content-Type": {jsonType}}, acme), true},
		} {
			time.Sleep(time.Second)
			reply = test.reply
			before := client.Stats()
			_, _ = client.FetchCustomerProfile(t.Context(), sid)
			failingSince := before.FailingSince
			switch {
			case test.success:
				lastSuccess, failingSince = time.Now(), time.Time{}
			case failingSince.IsZero():
				failingSince = time.Now()
			}
			if got := client.Stats(); got.LastSuccess != lastSuccess || got.FailingSince != failingSince {
				t.Errorf("%d: got %+v", i, got)
			}
		}
	})
}

// A fleet on a client without a bound is counted in while it runs.
func TestStatsOfFleets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(time.Second, func(after time.Duration, _ string) roundTripFunc {
			if after > 10*time.Second {
				return handled(answer(503, textType, ""))
			}
			return nil
		})
		client := over(t, server, defaults)
		expectStats(t, client, trusthub.Stats{RetriesLeft: 100})
		go func() {
			for range client.FetchCustomerProfiles(t.Context(), numbered(1000, new(atomic.Int64))) {
				continue
			}
		}()
		time.Sleep(9500 * time.Millisecond)
		if got := client.Stats(); got.Limit != 16 || got.InFlight != 16 || got.Waiting != 16 || got.Holding {
			t.Errorf("running: got %+v", got)
		}
		time.Sleep(20 * time.Second)
		if got := client.Stats(); got.Limit != 16 || got.InFlight > 1 || got.Waiting < 16 || !got.Holding {
			t.Errorf("in an outage: got %+v", got)
		}
		time.Sleep(time.Hour)
		if got := client.Stats(); got.Limit != 0 || got.Waiting != 0 || got.Holding {
			t.Errorf("ended: got %+v", got)
		}
	})
}

func expectStats(t *testing.T, client *trusthub.Client, want trusthub.Stats) {
	t.Helper()
	if got := client.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Stats is "safe to call at any time", so that a log handler may add it to its records.
func TestStatsFromTheLogger(t *testing.T) { // in real time: a bubble does not see who waits for a mutex
	var client *trusthub.Client
	logger := slog.New(statsHandler{slog.NewTextHandler(new(bytes.Buffer), nil), func() { client.Stats() }})
	var sent atomic.Int64
	client = over(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if sent.Add(1) < 20 {
			return unavailable()(req)
		}
		return ok()(req)
	}), trusthub.WithLogger(logger), trusthub.WithRetry(trusthub.RetryPolicy{MinWait: time.Millisecond, MaxWait: 2 * time.Millisecond}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range client.FetchCustomerProfiles(context.Background(), numbered(20, new(atomic.Int64))) {
			continue
		}
	}()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Fatalf("the fleet and Stats are stuck after %d requests", sent.Load())
	}
}
