package main

import (
	"context"
	"fmt"
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

// measureOutage measures the requests and the time of a call when every response is a 503. It runs
// once. 40 callers make 100 calls each, or one call each with the client whose calls take a minute.
func measureOutage(*server, int) (*table, error) {
	const callers = 40
	t := newTable("d", "An outage, everything answers 503: requests sent a call, and its time")
	names, byName := all(peers.Retrying())
	values := make(map[string][]float64)
	for _, name := range names {
		calls, start := 100, time.Now()
		if name == "retryablehttp" {
			calls = 1
		}
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
		all := float64(callers * calls)
		values[name] = []float64{float64(sent.Load()) / all, time.Since(start).Seconds() * callers / all}
	}
	t.add("requests", names, values, 0, "%.3f")
	t.add("seconds", names, values, 1, "%.2f")
	return t, nil
}

// measureLimit measures a fetch of 3,000 profiles from an account that permits 10 concurrent
// requests of 10 ms each. The SDK fetches them in a batch with WithMaxConcurrency(128). The peers
// have no batches and use 128 goroutines.
func measureLimit(_ *server, turns int) (*table, error) {
	const profiles, limit, took, bound = 3000, 10, 10 * time.Millisecond, 128
	t := newTable("e", fmt.Sprintf("An account limit of %d, %v for each request, %d profiles: lost, and throughput of those that came", limit, took, profiles))
	names, byName := all(peers.Retrying())
	medians, err := inTurns(names, min(turns, 3), func(name string) ([]float64, error) {
		account := &account{limit: limit, service: took, answer: http2.Memory(http.StatusOK, answers.Approved())}
		start := time.Now()
		came, err := fetchMany(byName[name], account, profiles, bound, trusthub.WithMaxConcurrency(bound))
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

// atOnce is the default limit of requests in flight of FetchCustomerProfiles. The peers use the
// same number of goroutines.
const atOnce = 16

// measureShared measures 8 clients of an account that permits 16 concurrent requests. Travel takes
// 10 ms and service 25 ms; a 429 takes no service time.
func measureShared(_ *server, turns int) (*table, error) {
	const clients, each, slots, travel, service = 8, 1000, 16, 10 * time.Millisecond, 25 * time.Millisecond
	t := newTable("g", fmt.Sprintf("An account with %d slots, shared by %d clients with %d profiles each, out of the box", slots, clients, each))
	names, byName := all(peers.Retrying())
	medians, err := inTurns(names, min(turns, 3), func(name string) ([]float64, error) {
		account := &account{limit: slots, travel: travel, service: service, answer: http2.Memory(http.StatusOK, answers.Approved())}
		var came atomic.Int64
		var failure atomic.Pointer[error]
		var running sync.WaitGroup
		start := time.Now()
		for range clients {
			running.Go(func() {
				n, err := fetchMany(byName[name], account, each, atOnce)
				if came.Add(int64(n)); err != nil {
					failure.Store(&err)
				}
			})
		}
		running.Wait()
		if err := failure.Load(); err != nil {
			return nil, *err
		}
		used := float64(came.Load()) * float64(service) / slots / float64(time.Since(start))
		return []float64{float64(clients*each - came.Load()), float64(account.refused.Load()) / float64(came.Load()), used}, nil
	})
	if err != nil {
		return nil, err
	}
	t.add("lost", names, medians, 0, "%.0f")
	t.add("429s for each profile", names, medians, 1, "%.3f")
	t.add("slots used", names, medians, 2, "%.2f")
	return t, nil
}

// measureMinute counts the profiles lost of 20,000 when every response is a 503 for a minute, from
// the third second on. It runs once, because it takes longer than that minute.
func measureMinute(*server, int) (*table, error) {
	const profiles, begins, lasts = 20_000, 3 * time.Second, time.Minute
	t := newTable("h", fmt.Sprintf("An outage of %v in a batch of %d profiles, out of the box", lasts, profiles))
	names, byName := all(peers.Retrying())
	values := make(map[string][]float64)
	for _, name := range names {
		account := &account{limit: atOnce, service: 10 * time.Millisecond, answer: http2.Memory(http.StatusOK, answers.Approved())}
		start := time.Now()
		came, err := fetchMany(byName[name], roundTripFunc(func(req *http.Request) (*http.Response, error) {
			answer, err := account.RoundTrip(req)
			if since := time.Since(start); err == nil && since > begins && since < begins+lasts {
				return http2.Memory(http.StatusServiceUnavailable, []byte(`{"code":20503,"message":"down","status":503}`)).RoundTrip(req)
			}
			return answer, err
		}), profiles, atOnce)
		if err != nil {
			return nil, err
		}
		values[name] = []float64{float64(profiles - came)}
	}
	t.add("lost", names, values, 0, "%.0f")
	return t, nil
}

// fetchMany fetches profiles: the SDK in a batch with options, and the peers from several
// goroutines.
func fetchMany(peer peers.Peer, transport http.RoundTripper, profiles, goroutines int, opts ...trusthub.Option) (came int, err error) {
	if peer.Name == "trusthub" {
		client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
			append(opts, trusthub.WithHTTPClient(&http.Client{Transport: transport}))...)
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
	for range goroutines {
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

// account returns a 429 for requests over its limit.
type account struct {
	inFlight, refused atomic.Int64
	limit             int64
	travel, service   time.Duration
	answer            http.RoundTripper
}

func (a *account) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(a.travel)
	defer a.inFlight.Add(-1)
	if a.inFlight.Add(1) > a.limit {
		a.refused.Add(1)
		return http2.Memory(http.StatusTooManyRequests, []byte(`{"code":20429,"message":"Too many requests","status":429}`)).RoundTrip(req)
	}
	time.Sleep(a.service)
	return a.answer.RoundTrip(req)
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
