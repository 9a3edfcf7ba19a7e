package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/lab/answers"
	"github.com/seed07fc1495/trusthub/lab/bench/peers"
	"github.com/seed07fc1495/trusthub/lab/bench/peers/http2"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// measureOutage is how many requests a call sends when everything answers 503: 40 callers with 100 calls each, and once,
// since it is counted and not timed.
func measureOutage(*server, int) (*table, error) {
	const callers, calls = 40, 100
	t := newTable("d", "An outage, everything answers 503: requests sent a call")
	names, byName := all()
	values := make(map[string][]float64)
	for _, name := range names {
		var sent atomic.Int64
		down := http2.Memory(http.StatusServiceUnavailable, []byte(`{"code":20503,"message":"down","status":503}`))
		fetch, err := byName[name].New("http://127.0.0.1", roundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent.Add(1)
			return down.RoundTrip(req)
		}))
		if err != nil {
			return nil, err
		}
		var running sync.WaitGroup
		for range callers {
			running.Go(func() {
				for range calls {
					if _, err := fetch(context.Background(), trusthubtest.ExampleSID); err == nil {
						panic("a profile in an outage")
					}
				}
			})
		}
		running.Wait()
		values[name] = []float64{float64(sent.Load()) / (callers * calls)}
	}
	t.add("requests", names, values, 0, "%.3f")
	return t, nil
}

// measureLimit is what comes of 3,000 profiles when the account permits 10 requests at once, and each takes 10 ms. The SDK
// fetches them as a fleet with a bound of 128; the peers, which have no such thing, from 128 goroutines.
func measureLimit(_ *server, turns int) (*table, error) {
	const profiles, limit, took, atOnce = 3000, 10, 10 * time.Millisecond, 128
	t := newTable("e", fmt.Sprintf("An account limit of %d, %v a request, %d profiles: lost, and throughput of those that came", limit, took, profiles))
	names, byName := all()
	medians, err := inTurns(names, min(turns, 3), func(name string) ([]float64, error) {
		account := &account{limit: limit, took: took, answer: http2.Memory(http.StatusOK, answers.Approved())}
		start := time.Now()
		came, err := fetchFleet(byName[name], account, profiles, atOnce)
		ideal := time.Duration(profiles/limit) * took
		share := float64(came) / profiles * float64(ideal) / float64(max(time.Since(start), ideal))
		return []float64{float64(profiles - came), share}, err
	})
	if err != nil {
		return nil, err
	}
	t.add("lost", names, medians, 0, "%.0f")
	t.add("of the ideal", names, medians, 1, "%.2f")
	return t, nil
}

func fetchFleet(peer peers.Peer, transport http.RoundTripper, profiles, atOnce int) (came int, err error) {
	if peer.Name == "trusthub" {
		client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
			trusthub.WithHTTPClient(&http.Client{Transport: transport}), trusthub.WithMaxConcurrency(atOnce))
		if err != nil {
			return 0, err
		}
		for result := range client.FetchCustomerProfiles(context.Background(), func(yield func(string) bool) {
			for range profiles {
				if !yield(trusthubtest.ExampleSID) {
					return
				}
			}
		}) {
			if result.Err == nil {
				came++
			}
		}
		return came, nil
	}
	fetch, err := peer.New("http://127.0.0.1", transport)
	if err != nil {
		return 0, err
	}
	var next, successes atomic.Int64
	var running sync.WaitGroup
	for range atOnce {
		running.Go(func() {
			for next.Add(1) <= int64(profiles) {
				if _, err := fetch(context.Background(), trusthubtest.ExampleSID); err == nil {
					successes.Add(1)
				}
			}
		})
	}
	running.Wait()
	return int(successes.Load()), nil
}

// account refuses what is beyond its limit at once.
type account struct {
	inFlight atomic.Int64
	limit    int64
	took     time.Duration
	answer   http.RoundTripper
}

func (a *account) RoundTrip(req *http.Request) (*http.Response, error) {
	defer a.inFlight.Add(-1)
	if a.inFlight.Add(1) > a.limit {
		return &http.Response{
			StatusCode: http.StatusTooManyRequests, Status: "429 Too Many Requests", Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(bytes.NewReader([]byte(`{"code":20429,"message":"Too many requests","status":429}`))), Request: req,
		}, nil
	}
	time.Sleep(a.took)
	return a.answer.RoundTrip(req)
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
