package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// A probe with a 401, for example after a token expired, is signed and sent once more. It does not
// end the outage.
func TestProbeThatIsUnauthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unauthorized := new(atomic.Bool)
		server := apitest.NewScene(100*time.Millisecond, func(after time.Duration, _ string) apitest.RoundTripFunc {
			switch {
			case after < 5*time.Second || after > 65*time.Second:
				return nil
			case after > 15*time.Second && unauthorized.CompareAndSwap(false, true):
				return apitest.Handled(apitest.Answer(401, apitest.JSON, `{"code":20003}`))
			}
			time.Sleep(10 * time.Millisecond)
			return apitest.Unavailable()
		})
		results := apitest.FetchAll(t.Context(), t, apitest.Client(t, apitest.Bearer(), server), 5000)
		if n := server.Between(7*time.Second, 65*time.Second); n > 100 || apitest.Failed(results) > 0 || !unauthorized.Load() {
			t.Errorf("%d requests in the minute of the outage, %d lost, a 401: %v", n, apitest.Failed(results), unauthorized.Load())
		}
	})
}

// A batch continues with the next SID when all calls in progress end with an error that is neither
// a response nor temporary.
func TestBatchContinuesWithoutACallToProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(100*time.Millisecond, func(after time.Duration, _ string) apitest.RoundTripFunc {
			switch {
			case after > 5*time.Second && after < 15*time.Second:
				return apitest.Unavailable()
			// A gateway's page, which contract rejects.
			case after > 15*time.Second && after < 60*time.Second:
				return apitest.Handled(apitest.Answer(200, apitest.Text, "welcome"))
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		client := apitest.Over(t, server, apitest.Defaults(), trusthub.WithMiddleware(contract.NewTransport))
		results := 0
		for range client.FetchCustomerProfiles(ctx, apitest.Numbered(5000, new(atomic.Int64))) {
			results++
		}
		if took := server.Elapsed(); took >= time.Hour || results != 5000 {
			t.Errorf("%d results, and the last request after %v, but the loop took %v", results, server.Sent()[len(server.Sent())-1].After, took)
		}
	})
}

// Before the first success, a failed call is sent again, and its failures do not count.
func TestFailuresBeforeAnyResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(at time.Duration, sid string) apitest.RoundTripFunc {
			if apitest.Number(sid) == 0 && at < 3*time.Second {
				return apitest.After(10*time.Millisecond, apitest.Unavailable())
			}
			return apitest.After(5*time.Second, apitest.OK())
		})
		results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults()), 2)
		if took := server.Elapsed(); apitest.Failed(results) > 0 || took > time.Minute {
			t.Errorf("%d lost after %v and %d requests: %v", apitest.Failed(results), took, len(server.Sent()), results[0].Err)
		}
	})
}

// Requests in flight at the start of an outage may hang until its end. They do not count as
// failures of their SIDs.
func TestRequestsThatHangInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(at time.Duration, _ string) apitest.RoundTripFunc {
			switch {
			case at > 4900*time.Millisecond && at < 5*time.Second: // in flight at the start of the outage
				return apitest.After(time.Hour, nil)
			case at >= 5*time.Second && at < 15*time.Second:
				return apitest.After(10*time.Millisecond, apitest.Unavailable())
			}
			return apitest.After(100*time.Millisecond, apitest.OK())
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
		for result := range apitest.Over(t, server).FetchCustomerProfiles(t.Context(), input) {
			if n++; result.Err != nil {
				failed = append(failed, result.Err)
			}
		}
		if n != 3000 || len(failed) > 0 {
			t.Errorf("%d results, %d lost: %v", n, len(failed), failed)
		}
	})
}

// A pause counts for MaxOutage, also when a single call or another batch caused it.
func TestBatchInAPauseOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(at time.Duration, _ string) apitest.RoundTripFunc {
			if at == 0 {
				return apitest.Throttled("86400")
			}
			return nil
		})
		client := apitest.Over(t, server, apitest.Defaults())
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		time.Sleep(time.Second)
		_ = apitest.FetchAll(t.Context(), t, client, 100)
		if took := server.Elapsed(); took > time.Hour {
			t.Errorf("the loop took %v, MaxOutage is 15 minutes", took)
		}
	})
}

// A batch that ends before its input yields an error, also when a probe is in flight at the end of
// MaxOutage.
func TestBatchThatEndsEarlyYieldsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(at time.Duration, sid string) apitest.RoundTripFunc {
			switch {
			case apitest.Number(sid) != 2:
				return apitest.After(time.Second, apitest.OK())
			case at > 14*time.Minute+50*time.Second:
				return apitest.After(20*time.Second, apitest.OK())
			}
			return apitest.After(10*time.Millisecond, apitest.Unavailable())
		})
		client := apitest.Over(t, server, apitest.Defaults(), trusthub.WithMaxConcurrency(1))
		results, failed := 0, false
		for result := range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(100, new(atomic.Int64))) {
			if results++; results == 1 {
				time.Sleep(10 * time.Second) // slow, so that one SID is in progress
			}
			failed = failed || result.Err != nil
		}
		if results < 100 && !failed {
			t.Errorf("%d of 100 results, all of them successes", results)
		}
	})
}

// Two failing SIDs in a row do not make a batch wait with concurrency 1: there
// are other SIDs in progress.
func TestTwoBadSIDsInABatchOfOne(t *testing.T) {
	for name, bad := range map[string]http.HandlerFunc{"500": apitest.Answer(500, apitest.Text, ""), "429": apitest.Throttle("")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := apitest.NewScene(100*time.Millisecond, func(_ time.Duration, sid string) apitest.RoundTripFunc {
					if i := apitest.Number(sid); i == 50 || i == 51 {
						return apitest.After(50*time.Millisecond, apitest.Handled(bad))
					}
					return nil
				})
				results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults(), trusthub.WithMaxConcurrency(1)), 100)
				if len(results) != 100 {
					t.Errorf("%d of 100 results after %v: %v", len(results), server.Elapsed(), results[len(results)-1].Err)
				}
			})
		})
	}
}

// After many 429s, with a limit below one, an outage is still detected with more than one SID.
func TestOutageAfterManyThrottles(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			server := apitest.NewScene(0, func(at time.Duration, _ string) apitest.RoundTripFunc {
				switch {
				case at > 5*time.Second && at < 3*time.Minute:
					return apitest.After(10*time.Millisecond, apitest.Throttled(""))
				case at > 3*time.Minute && at < 5*time.Minute:
					return apitest.After(10*time.Millisecond, apitest.Unavailable())
				}
				return apitest.After(500*time.Millisecond, apitest.OK())
			})
			results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults(), trusthub.WithMaxConcurrency(64)), 1200)
			if n := apitest.Failed(results); n > 0 || len(results) != 1200 {
				t.Errorf("%d of %d lost in an outage of two minutes", n, len(results))
			}
		})
	}
}

// A few SIDs that are always throttled do not delay thousands of others.
func TestAFewAlwaysThrottled(t *testing.T) {
	t.Parallel()
	for _, few := range []int{1, 5, 20} {
		t.Run(fmt.Sprint(few), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := apitest.NewScene(100*time.Millisecond, func(_ time.Duration, sid string) apitest.RoundTripFunc {
					if i := apitest.Number(sid); i%(5000/few) == 20 {
						return apitest.After(50*time.Millisecond, apitest.Throttled(""))
					}
					return nil
				})
				good, last := 0, time.Duration(0)
				for result := range apitest.Over(t, server, apitest.Defaults(), trusthub.WithMaxConcurrency(64)).FetchCustomerProfiles(t.Context(), apitest.Numbered(5000, new(atomic.Int64))) {
					if result.Err == nil {
						good, last = good+1, server.Elapsed()
					}
				}
				if last > 5*time.Minute {
					t.Errorf("%d good took %v, 8 s without the others", good, last)
				}
			})
		})
	}
}

// A call that waits in a batch when the context ends yields the error of the context.
func TestContextEndIsYielded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(_ time.Duration, sid string) apitest.RoundTripFunc {
			if apitest.Number(sid) == 0 {
				return apitest.Unavailable()
			}
			return apitest.After(time.Hour, apitest.OK())
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for i, result := range apitest.FetchAll(ctx, t, apitest.Over(t, server), 2) {
			if !errors.Is(result.Err, context.DeadlineExceeded) || !trusthub.IsRetryable(result.Err) {
				t.Errorf("%d: got %v, retryable %v", i, result.Err, trusthub.IsRetryable(result.Err))
			}
		}
	})
}

// When every request is throttled from the start, a batch sends few requests.
func TestThrottledBatchIsPaced(t *testing.T) {
	for name, opt := range map[string]trusthub.Option{"bounded": trusthub.WithMaxConcurrency(16), "not bounded": apitest.Defaults()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := apitest.NewScene(0, func(time.Duration, string) apitest.RoundTripFunc {
					return apitest.After(100*time.Millisecond, apitest.Throttled(""))
				})
				_ = apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults(), opt), 10000)
				n := server.Between(5*time.Minute, 10*time.Minute) / 5
				if n > 100 {
					t.Errorf("%d requests a minute", n)
				}
			})
		})
	}
}

// A batch also sends few requests when 429s follow an outage.
func TestThrottledProbesArePaced(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]trusthub.Option{"bounded": trusthub.WithMaxConcurrency(64), "not bounded": apitest.Defaults()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := apitest.NewScene(100*time.Millisecond, func(at time.Duration, _ string) apitest.RoundTripFunc {
					switch {
					case at > 5*time.Second && at < 10*time.Second:
						return apitest.After(10*time.Millisecond, apitest.Unavailable())
					case at > 10*time.Second && at < 10*time.Minute: // overloaded
						return apitest.After(10*time.Millisecond, apitest.Throttled(""))
					}
					return nil
				})
				results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults(), opt), 6000)
				first, later := server.Between(10*time.Second, 70*time.Second), server.Between(5*time.Minute, 6*time.Minute)
				if first > 100 || later > 100 || apitest.Failed(results) > 0 {
					t.Errorf("%d and %d requests a minute, %d lost", first, later, apitest.Failed(results))
				}
			})
		})
	}
}

// A failing SID of a slow input is sent a few times and does not end the batch.
func TestBadSIDOfASlowInput(t *testing.T) {
	for _, takes := range []time.Duration{0, 100 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := apitest.NewScene(100*time.Millisecond, func(_ time.Duration, sid string) apitest.RoundTripFunc {
					if apitest.Number(sid) == 10 {
						return apitest.After(takes, apitest.Handled(apitest.Answer(500, apitest.Text, "")))
					}
					return nil
				})
				results := 0
				for result := range apitest.Over(t, server, apitest.Defaults()).FetchCustomerProfiles(t.Context(), apitest.Every(time.Second, 200)) {
					results++
					if result.Err != nil && result.Response.Attempts > 20 {
						t.Errorf("sent %d times: %v", result.Response.Attempts, result.Err)
					}
				}
				if results != 200 {
					t.Errorf("%d of 200 results", results)
				}
			})
		})
	}
}

// Time without a request does not count for MaxOutage.
func TestIdleTimeIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(_ time.Duration, sid string) apitest.RoundTripFunc {
			switch apitest.Number(sid) {
			case 0:
				return apitest.After(100*time.Millisecond, apitest.Handled(apitest.Answer(500, apitest.Text, "")))
			case 1, 2:
				return apitest.After(150*time.Millisecond, apitest.OK())
			}
			return apitest.After(2*time.Second, apitest.OK())
		})
		results, failed := 0, false
		for result := range apitest.Over(t, server, apitest.Defaults()).FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
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
			failed = failed || errors.Is(result.Err, trusthub.ErrOutage)
		}
		if results < 10 {
			t.Errorf("%d of 10 results, ErrOutage among them: %v", results, failed)
		}
		time.Sleep(time.Hour) // time for the input
	})
}

// No end of the outage is logged when the batch ends by MaxOutage or by its context.
func TestOutageIsNotOver(t *testing.T) {
	for name, end := range map[string]func(context.CancelFunc){"MaxOutage": nil, "ctx": func(cancel context.CancelFunc) { time.AfterFunc(time.Minute, cancel) }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				client := apitest.Over(t, apitest.After(10*time.Millisecond, apitest.Unavailable()), apitest.Defaults(), trusthub.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if end != nil {
					end(cancel)
				}
				_ = apitest.FetchAll(ctx, t, client, 100)
				synctest.Wait()
				if strings.Contains(log.String(), "the outage is over") {
					t.Errorf("nothing has ever succeeded, but the log says: %s", log.String()[strings.LastIndex(log.String(), "time="):])
				}
			})
		})
	}
}

// During an outage, a second SID is pulled when only one is in progress, also when the others have
// ended.
func TestSecondSIDIsPulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		violation := &contract.Violation{Direction: "response", StatusCode: 200}
		server := apitest.NewScene(0, func(at time.Duration, sid string) apitest.RoundTripFunc {
			switch i := apitest.Number(sid); {
			case i == 0:
				return apitest.After(10*time.Millisecond, apitest.Unavailable()) // permanently
			case i < 3 && at < 3*time.Second:
				return apitest.After(10*time.Millisecond, apitest.Unavailable())
			case i < 3:
				return apitest.After(10*time.Millisecond, apitest.Broken(violation))
			}
			return apitest.After(10*time.Millisecond, apitest.OK())
		})
		input := func(yield func(string) bool) {
			for i := range 20 {
				if i == 2 {
					time.Sleep(time.Second) // the API counts as down before the next pull
				}
				if !yield(fmt.Sprintf("BU%032x", i)) {
					return
				}
			}
		}
		good, all, outages := 0, 0, 0
		for result := range apitest.Over(t, server, apitest.Defaults()).FetchCustomerProfiles(t.Context(), input) {
			if all++; result.Err == nil {
				good++
			}
			if errors.Is(result.Err, trusthub.ErrOutage) {
				outages++
			}
		}
		if good != 17 {
			t.Errorf("%d results, %d good of the 17 that the API serves, %d ErrOutage, after %v", all, good, outages, server.Elapsed())
		}
	})
}

// Time without a request does not count, also when MaxOutage expired while a request was in flight.
func TestIdleTimeAfterMaxOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		violation := &contract.Violation{Direction: "response", StatusCode: 200}
		var failed atomic.Bool
		server := apitest.NewScene(0, func(at time.Duration, sid string) apitest.RoundTripFunc {
			switch i := apitest.Number(sid); {
			case i == 0 && at < 9*time.Second:
				return apitest.After(10*time.Millisecond, apitest.Unavailable())
			case i == 0:
				// In flight at the end of MaxOutage.
				return apitest.After(10*time.Second, apitest.Broken(violation))
			case failed.CompareAndSwap(false, true):
				return apitest.After(time.Millisecond, apitest.Unavailable()) // one failure, an hour later
			}
			return apitest.After(10*time.Millisecond, apitest.OK())
		})
		client := apitest.Over(t, server, trusthub.WithRetry(trusthub.RetryPolicy{MaxWait: time.Second}))
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
