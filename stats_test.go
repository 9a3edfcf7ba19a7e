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
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func TestStats(t *testing.T) {
	inBothWays(t, func(t *testing.T, fetch fetchFunc) {
		s := apitest.NewScript(apitest.Answer(503, apitest.Text, ""), apitest.Throttle("5"), func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Second)
			apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
		})
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithMaxConcurrency(2))
		expectStats(t, client, trusthub.Stats{Limit: 2, RetriesLeft: 100})
		for range 3 {
			go func() { _, _ = fetch(t.Context(), client) }()
			synctest.Wait()
		}
		expectStats(t, client, trusthub.Stats{Limit: 1.6, Waiting: 2, RetriesLeft: 98, Paused: 5 * time.Second})
		time.Sleep(6 * time.Second)
		expectStats(t, client, trusthub.Stats{Limit: 1.6, InFlight: 1, Waiting: 2, RetriesLeft: 98})
		time.Sleep(time.Minute)
		if got := client.Stats(); got.InFlight != 0 || got.Waiting != 0 || got.RetriesLeft != 98 {
			t.Errorf("got %+v", got)
		}
	})
}

// A fleet on a client without a bound is counted in while it runs.
func TestStatsOfFleets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(time.Second, func(after time.Duration, _ string) apitest.RoundTripFunc {
			if after > 10*time.Second {
				return apitest.Unavailable()
			}
			return nil
		})
		client := apitest.Over(t, server, apitest.Defaults())
		expectStats(t, client, trusthub.Stats{RetriesLeft: 100})
		go func() {
			for range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(1000, new(atomic.Int64))) {
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
	client = apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if sent.Add(1) < 20 {
			return apitest.Unavailable()(req)
		}
		return apitest.OK()(req)
	}), trusthub.WithLogger(logger), trusthub.WithRetry(trusthub.RetryPolicy{MinWait: time.Millisecond, MaxWait: 2 * time.Millisecond}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range client.FetchCustomerProfiles(context.Background(), apitest.Numbered(20, new(atomic.Int64))) {
			continue
		}
	}()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Fatalf("the fleet and Stats are stuck after %d requests", sent.Load())
	}
}
