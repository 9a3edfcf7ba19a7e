package trusthub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
)

func ok() roundTripFunc          { return handled(answer(200, jsonType, acme)) }
func unavailable() roundTripFunc { return handled(answer(503, textType, "")) }

func after(d time.Duration, reply roundTripFunc) roundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return reply(req)
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
}

func number(sid string) int { i, _ := strconv.ParseInt(sid[2:], 16, 64); return int(i) }

func withAuth(t *testing.T, auth trusthub.Auth, transport http.RoundTripper, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	client, err := trusthub.NewClient(auth, append(opts, trusthub.WithHTTPClient(&http.Client{Transport: transport}))...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

var bearer = trusthub.AuthFunc(func(req *http.Request) error { req.Header.Set("Authorization", "Bearer x"); return nil })

// A probe that gets a 401, as when a token expired in the outage, is signed and sent once more, and opens no gate.
func TestProbeThatIsUnauthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unauthorized := new(atomic.Bool)
		server := newScene(100*time.Millisecond, func(after time.Duration, _ string) roundTripFunc {
			switch {
			case after < 5*time.Second || after > 65*time.Second:
				return nil
			case after > 15*time.Second && unauthorized.CompareAndSwap(false, true):
				return handled(answer(401, jsonType, `{"code":20003}`))
			}
			time.Sleep(10 * time.Millisecond)
			return unavailable()
		})
		results := fetchAll(t.Context(), t, withAuth(t, bearer, server), 5000)
		if n := server.between(7*time.Second, 65*time.Second); n > 100 || lost(results) > 0 || !unauthorized.Load() {
			t.Errorf("%d requests in the minute of the outage, %d lost, a 401: %v", n, lost(results), unauthorized.Load())
		}
	})
}

// When all that is in hand ends by what is neither an answer nor a failure that may pass, the fleet goes on with the next SID.
func TestFleetWithNobodyLeftToProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(100*time.Millisecond, func(after time.Duration, _ string) roundTripFunc {
			switch {
			case after > 5*time.Second && after < 15*time.Second:
				return unavailable()
			case after > 15*time.Second && after < 60*time.Second: // a gateway's page, which contract refuses
				return handled(answer(200, textType, "welcome"))
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		client := over(t, server, defaults, trusthub.WithMiddleware(contract.NewTransport))
		results := 0
		for range client.FetchCustomerProfiles(ctx, numbered(5000, new(atomic.Int64))) {
			results++
		}
		if took := time.Since(server.from); took >= time.Hour || results != 5000 {
			t.Errorf("%d results, and the last request after %v, but the loop took %v", results, server.sent[len(server.sent)-1], took)
		}
	})
}

// A call that fails while nothing was ever answered is sent again, and its failures do not count.
func TestFailuresBeforeAnyResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(0, func(at time.Duration, sid string) roundTripFunc {
			if number(sid) == 0 && at < 3*time.Second {
				return after(10*time.Millisecond, unavailable())
			}
			return after(5*time.Second, ok())
		})
		results := fetchAll(t.Context(), t, over(t, server, defaults), 2)
		if took := time.Since(server.from); lost(results) > 0 || took > time.Minute {
			t.Errorf("%d lost after %v and %d requests: %v", lost(results), took, len(server.sent), results[0].Err)
		}
	})
}

// Requests that were in flight at the onset and hang until after the outage are not held against their SIDs.
func TestWhatAnOutageLeavesHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(0, func(at time.Duration, _ string) roundTripFunc {
			switch {
			case at > 4900*time.Millisecond && at < 5*time.Second: // in flight at the onset
				return after(time.Hour, nil)
			case at >= 5*time.Second && at < 15*time.Second:
				return after(10*time.Millisecond, unavailable())
			}
			return after(100*time.Millisecond, ok())
		})
		input := func(yield func(string) bool) {
			for i := range 3000 {
				time.Sleep(20 * time.Millisecond)
				if !yield(fmt.Sprintf("BU%032x", i)) {
					return
				}
			}
		}
		n, failed := 0, []error(nil)
		for result := range over(t, server).FetchCustomerProfiles(t.Context(), input) {
			if n++; result.Err != nil {
				failed = append(failed, result.Err)
			}
		}
		if n != 3000 || len(failed) > 0 {
			t.Errorf("%d results, %d lost: %v", n, len(failed), failed)
		}
	})
}

// A pause that a single call or another fleet has begun counts towards MaxOutage.
func TestFleetInAPauseOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(0, func(at time.Duration, _ string) roundTripFunc {
			if at == 0 {
				return handled(refusal("86400"))
			}
			return nil
		})
		client := over(t, server, defaults)
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		time.Sleep(time.Second)
		_ = fetchAll(t.Context(), t, client, 100)
		if took := time.Since(server.from); took > time.Hour {
			t.Errorf("the loop took %v, MaxOutage is 15 minutes", took)
		}
	})
}

// A fleet that ends before its input says so in a result, also when a probe is under way as MaxOutage is over.
func TestFleetDoesNotEndInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(0, func(at time.Duration, sid string) roundTripFunc {
			switch {
			case number(sid) != 2:
				return after(time.Second, ok())
			case at > 14*time.Minute+50*time.Second:
				return after(20*time.Second, ok())
			}
			return after(10*time.Millisecond, unavailable())
		})
		client := over(t, server, defaults, trusthub.WithMaxConcurrency(1))
		results, told := 0, false
		for result := range client.FetchCustomerProfiles(t.Context(), numbered(100, new(atomic.Int64))) {
			if results++; results == 1 {
				time.Sleep(10 * time.Second) // a slow loop body, so that one is in hand
			}
			told = told || result.Err != nil
		}
		if results < 100 && !told {
			t.Errorf("%d of 100 results, all of them successes", results)
		}
	})
}

// Two bad SIDs in a row are no outage for a fleet of one at a time, since there are others in hand.
func TestTwoBadSIDsInAFleetOfOne(t *testing.T) {
	for name, bad := range map[string]http.HandlerFunc{"500": answer(500, textType, ""), "429": refusal("")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newScene(100*time.Millisecond, func(_ time.Duration, sid string) roundTripFunc {
					if i := number(sid); i == 50 || i == 51 {
						return after(50*time.Millisecond, handled(bad))
					}
					return nil
				})
				results := fetchAll(t.Context(), t, over(t, server, defaults, trusthub.WithMaxConcurrency(1)), 100)
				if len(results) != 100 {
					t.Errorf("%d of 100 results after %v: %v", len(results), time.Since(server.from), results[len(results)-1].Err)
				}
			})
		})
	}
}

// After a time of refusals, when the limit is below one, an outage is still seen by more than one SID.
func TestRetriesOfOneHideNoOutage(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			server := newScene(0, func(at time.Duration, _ string) roundTripFunc {
				switch {
				case at > 5*time.Second && at < 3*time.Minute:
					return after(10*time.Millisecond, handled(refusal("")))
				case at > 3*time.Minute && at < 5*time.Minute:
					return after(10*time.Millisecond, unavailable())
				}
				return after(500*time.Millisecond, ok())
			})
			results := fetchAll(t.Context(), t, over(t, server, defaults, trusthub.WithMaxConcurrency(64)), 1200)
			if n := lost(results); n > 0 || len(results) != 1200 {
				t.Errorf("%d of %d lost in an outage of two minutes", n, len(results))
			}
		})
	}
}

// A few SIDs in thousands that are refused for ever do not hold up the others.
func TestAFewRefusedForEver(t *testing.T) {
	for _, few := range []int{1, 5, 20} {
		t.Run(fmt.Sprint(few), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newScene(100*time.Millisecond, func(_ time.Duration, sid string) roundTripFunc {
					if i := number(sid); i%(5000/few) == 20 {
						return after(50*time.Millisecond, handled(refusal("")))
					}
					return nil
				})
				good, last := 0, time.Duration(0)
				for result := range over(t, server, defaults, trusthub.WithMaxConcurrency(64)).FetchCustomerProfiles(t.Context(), numbered(5000, new(atomic.Int64))) {
					if result.Err == nil {
						good, last = good+1, time.Since(server.from)
					}
				}
				if last > 5*time.Minute {
					t.Errorf("%d good took %v, 8 s without the others", good, last)
				}
			})
		})
	}
}

// What waits for news when the context ends yields the error of the context.
func TestContextEndIsYielded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(0, func(_ time.Duration, sid string) roundTripFunc {
			if number(sid) == 0 {
				return unavailable()
			}
			return after(time.Hour, ok())
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for i, result := range fetchAll(ctx, t, over(t, server), 2) {
			if !errors.Is(result.Err, context.DeadlineExceeded) || !trusthub.IsRetryable(result.Err) {
				t.Errorf("%d: got %v, retryable %v", i, result.Err, trusthub.IsRetryable(result.Err))
			}
		}
	})
}

// When everything is refused from the start, few requests are made.
func TestRefusedFleetIsPaced(t *testing.T) {
	for name, opt := range map[string]trusthub.Option{"bounded": trusthub.WithMaxConcurrency(16), "not bounded": defaults} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newScene(0, func(time.Duration, string) roundTripFunc {
					return after(100*time.Millisecond, handled(refusal("")))
				})
				_ = fetchAll(t.Context(), t, over(t, server, defaults, opt), 10000)
				n := server.between(5*time.Minute, 10*time.Minute) / 5
				if n > 100 {
					t.Errorf("%d requests a minute", n)
				}
			})
		})
	}
}

// So are they when an outage turns into refusals.
func TestRefusedProbes(t *testing.T) {
	for name, opt := range map[string]trusthub.Option{"bounded": trusthub.WithMaxConcurrency(64), "not bounded": defaults} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newScene(100*time.Millisecond, func(at time.Duration, _ string) roundTripFunc {
					switch {
					case at > 5*time.Second && at < 10*time.Second:
						return after(10*time.Millisecond, unavailable())
					case at > 10*time.Second && at < 10*time.Minute: // overloaded
						return after(10*time.Millisecond, handled(refusal("")))
					}
					return nil
				})
				results := fetchAll(t.Context(), t, over(t, server, defaults, opt), 20000)
				first, later := server.between(10*time.Second, 70*time.Second), server.between(5*time.Minute, 6*time.Minute)
				if first > 100 || later > 100 || lost(results) > 0 {
					t.Errorf("%d and %d requests a minute, %d lost", first, later, lost(results))
				}
			})
		})
	}
}

type countingBody struct {
	stuckBody
	closes *atomic.Int64
	once   *sync.Once
}

func (b countingBody) Close() error {
	b.closes.Add(1)
	b.once.Do(func() { _ = b.stuckBody.Close() })
	return nil
}

// every yields a SID each d.
func every(d time.Duration, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range n {
			if i > 0 {
				time.Sleep(d)
			}
			if !yield(fmt.Sprintf("BU%032x", i)) {
				return
			}
		}
	}
}

// A bad SID of a slow input is asked for a few times, and ends nothing.
func TestBadSIDOfASlowInput(t *testing.T) {
	for _, takes := range []time.Duration{0, 100 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newScene(100*time.Millisecond, func(_ time.Duration, sid string) roundTripFunc {
					if number(sid) == 10 {
						return after(takes, handled(answer(500, textType, "")))
					}
					return nil
				})
				results := 0
				for result := range over(t, server, defaults).FetchCustomerProfiles(t.Context(), every(time.Second, 200)) {
					results++
					if result.Err != nil && result.Response.Attempts > 20 {
						t.Errorf("asked for %d times: %v", result.Response.Attempts, result.Err)
					}
				}
				if results != 200 {
					t.Errorf("%d of 200 results", results)
				}
			})
		})
	}
}

// Time in which nothing is asked does not count towards MaxOutage.
func TestIdleTimeIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(0, func(_ time.Duration, sid string) roundTripFunc {
			switch number(sid) {
			case 0:
				return after(100*time.Millisecond, handled(answer(500, textType, "")))
			case 1, 2:
				return after(150*time.Millisecond, ok())
			}
			return after(2*time.Second, ok())
		})
		results, told := 0, false
		for result := range over(t, server, defaults).FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
			for i := range 10 {
				switch i {
				case 0:
				case 1:
					time.Sleep(50 * time.Millisecond)
				case 2:
					time.Sleep(130 * time.Millisecond)
				default:
					time.Sleep(15 * time.Minute)
				}
				if !yield(fmt.Sprintf("BU%032x", i)) {
					return
				}
			}
		}) {
			results++
			told = told || errors.Is(result.Err, trusthub.ErrOutage)
		}
		if results < 10 {
			t.Errorf("%d of 10 results, ErrOutage among them: %v", results, told)
		}
		time.Sleep(time.Hour) // for the input
	})
}

// statsHandler is a slog.Handler that adds what the client is doing to each record.
type statsHandler struct {
	slog.Handler
	stats func()
}

func (h statsHandler) Handle(ctx context.Context, r slog.Record) error {
	h.stats()
	return h.Handler.Handle(ctx, r)
}

// An outage that ends a fleet, or that a loop leaves, is not over.
func TestOutageIsNotOver(t *testing.T) {
	for name, end := range map[string]func(context.CancelFunc){"MaxOutage": nil, "ctx": func(cancel context.CancelFunc) { time.AfterFunc(time.Minute, cancel) }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				client := over(t, after(10*time.Millisecond, unavailable()), defaults, trusthub.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if end != nil {
					end(cancel)
				}
				_ = fetchAll(ctx, t, client, 100)
				synctest.Wait()
				if strings.Contains(log.String(), "the outage is over") {
					t.Errorf("nothing has ever succeeded, but the log says: %s", log.String()[strings.LastIndex(log.String(), "time="):])
				}
			})
		})
	}
}

// While a fleet holds, a second SID is pulled when only one is in hand, also when the others have ended meanwhile.
func TestSecondSIDIsPulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		violation := &contract.Violation{Direction: "response", StatusCode: 200}
		server := newScene(0, func(at time.Duration, sid string) roundTripFunc {
			switch i := number(sid); {
			case i == 0:
				return after(10*time.Millisecond, unavailable()) // for ever
			case i < 3 && at < 3*time.Second:
				return after(10*time.Millisecond, unavailable())
			case i < 3:
				return after(10*time.Millisecond, broken(violation))
			}
			return after(10*time.Millisecond, ok())
		})
		input := func(yield func(string) bool) {
			for i := range 20 {
				if i == 2 {
					time.Sleep(time.Second) // so that the fleet holds when the next place is reserved
				}
				if !yield(fmt.Sprintf("BU%032x", i)) {
					return
				}
			}
		}
		good, all, outages := 0, 0, 0
		for result := range over(t, server, defaults).FetchCustomerProfiles(t.Context(), input) {
			if all++; result.Err == nil {
				good++
			}
			if errors.Is(result.Err, trusthub.ErrOutage) {
				outages++
			}
		}
		if good != 17 {
			t.Errorf("%d results, %d good of the 17 that the API serves, %d ErrOutage, after %v", all, good, outages, time.Since(server.from))
		}
	})
}

// Time in which nothing is asked does not count, also when MaxOutage had run out with a request in flight.
func TestExpiredIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		violation := &contract.Violation{Direction: "response", StatusCode: 200}
		var failed atomic.Bool
		server := newScene(0, func(at time.Duration, sid string) roundTripFunc {
			switch i := number(sid); {
			case i == 0 && at < 9*time.Second:
				return after(10*time.Millisecond, unavailable())
			case i == 0:
				return after(10*time.Second, broken(violation)) // in flight when MaxOutage is over
			case failed.CompareAndSwap(false, true):
				return after(time.Millisecond, unavailable()) // one hiccup, an hour later
			}
			return after(10*time.Millisecond, ok())
		})
		client := over(t, server, trusthub.WithRetry(trusthub.RetryPolicy{MaxWait: time.Second}))
		good, all := 0, 0
		for result := range client.FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
			for i := range 20 {
				if i == 1 {
					time.Sleep(time.Hour)
				}
				if !yield(fmt.Sprintf("BU%032x", i)) {
					return
				}
			}
		}) {
			if all++; result.Err == nil {
				good++
			}
		}
		if good != 19 {
			t.Errorf("%d results, %d good of 19", all, good)
		}
	})
}
