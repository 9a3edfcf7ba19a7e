package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func forbidden() apitest.RoundTripFunc {
	return apitest.Handled(apitest.Answer(403, apitest.JSON, `{"code":20403}`))
}

// A batch always ends, whatever the API responds: in each phase it mixes responses at random, and
// at last it is well. Each SID yields one result, soon after the last phase.
func TestBatchAlwaysEnds(t *testing.T) {
	replies := []func() apitest.RoundTripFunc{
		apitest.OK,
		func() apitest.RoundTripFunc {
			return apitest.Handled(apitest.Answer(404, apitest.JSON, `{"code":20404}`))
		},
		forbidden,
		func() apitest.RoundTripFunc { return apitest.Throttled("") },
		func() apitest.RoundTripFunc { return apitest.Throttled("3") },
		apitest.Unavailable,
		func() apitest.RoundTripFunc {
			return apitest.Canned(403, http.Header{"Content-Type": {"text/html"}}, "<html>")
		},
		func() apitest.RoundTripFunc { return apitest.Handled(apitest.Hang) },
		apitest.Torn,
	}
	for seed := range uint64(4 * seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 5))
				pick := func(of ...int) int { return of[rng.IntN(len(of))] }
				kinds := rng.Perm(len(replies))[:3]
				var phases [][]int // the replies of each 10 s, for one SID after the other
				for range pick(1, 2, 3, 6, 12) {
					var phase []int
					for range pick(1, 1, 9, 10) {
						phase = append(phase, kinds[pick(0, 0, 0, 0, 1, 1, 2)])
					}
					phases = append(phases, phase)
				}
				server := apitest.NewScene(100*time.Millisecond, func(at time.Duration, sid string) apitest.RoundTripFunc {
					i := int(at / (10 * time.Second))
					if i >= len(phases) {
						return nil
					}
					phase := phases[i]
					return apitest.After(10*time.Millisecond, replies[phase[apitest.Number(sid)%len(phase)]]())
				})
				opts := []trusthub.Option{trusthub.WithTimeout(5 * time.Second), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: pick(1, 3)})}
				if bound := pick(0, 1, 16); bound > 0 {
					opts = append(opts, trusthub.WithMaxConcurrency(bound))
				}
				n, every := pick(1, 3, 9, 10, 12, 100, 1000), time.Duration(pick(0, 0, 50, 3000))*time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)
				defer cancel()
				results := 0
				for range apitest.Over(t, server, opts...).FetchCustomerProfiles(ctx, apitest.Every(every, n)) {
					results++
				}
				limit := time.Duration(len(phases))*10*time.Second + time.Duration(n)*(every+100*time.Millisecond) + 3*time.Minute
				if took := server.Elapsed(); took > limit || results > n {
					t.Errorf("%d results of %d in %v: input every %v, phases %v", results, n, took, every, phases)
				}
				time.Sleep(every) // the input may be asleep
			})
		})
	}
}

// A batch ends by MaxOutage when an outage turns into a 403 for every SID, which is no success.
func TestOutageThatTurnsIntoForbidden(t *testing.T) {
	for _, from := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			server := apitest.NewScene(100*time.Millisecond, func(at time.Duration, _ string) apitest.RoundTripFunc {
				switch {
				case at < from:
					return nil
				case at < from+10*time.Second:
					return apitest.After(10*time.Millisecond, apitest.Unavailable())
				}
				return apitest.After(10*time.Millisecond, forbidden())
			})
			apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults()), 5000)
			if took := server.Elapsed(); took < 15*time.Minute || took > 16*time.Minute {
				t.Errorf("from %v: took %v", from, took)
			}
		})
	}
}

// A call that got a 429 before an outage is a probe when no other call is left.
func TestProbeByThrottledCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(100*time.Millisecond, func(at time.Duration, sid string) apitest.RoundTripFunc {
			switch {
			case at < 5*time.Second && apitest.Number(sid) == 8:
				return apitest.After(10*time.Millisecond, apitest.Throttled("1"))
			case at < 5*time.Second:
				return apitest.After(20*time.Millisecond, apitest.Unavailable())
			case at < 2*time.Minute:
				return apitest.After(10*time.Millisecond, forbidden())
			}
			return nil
		})
		client := apitest.Over(t, server, apitest.Defaults(), trusthub.WithMaxConcurrency(16))
		apitest.FetchAll(t.Context(), t, client, 9)
		if took := server.Elapsed(); took > 3*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

// Fewer than 8 SIDs that all fail end with their own errors: after a minute when the input has
// ended, even by a panic, or when the cause is local; after MaxOutage while the input is open.
func TestFewFailWhateverTheInput(t *testing.T) {
	proxy := func() apitest.RoundTripFunc {
		return apitest.Canned(407, http.Header{"Content-Type": {"text/html"}}, "<html>")
	}
	inTenMinutes := func() apitest.RoundTripFunc { return apitest.Handled(apitest.Asking(503, "600")) }
	for name, test := range map[string]struct {
		then func(context.Context) // after three SIDs
		fail func() apitest.RoundTripFunc
		want time.Duration
	}{
		"ended":         {func(context.Context) {}, apitest.Unavailable, time.Minute},
		"panic":         {func(context.Context) { panic("input") }, apitest.Unavailable, time.Minute},
		"open":          {func(ctx context.Context) { <-ctx.Done() }, apitest.Unavailable, 15 * time.Minute},
		"open, a proxy": {func(ctx context.Context) { <-ctx.Done() }, proxy, time.Minute},
		"ended later":   {func(context.Context) { time.Sleep(5 * time.Second) }, inTenMinutes, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := apitest.NewScene(0, func(time.Duration, string) apitest.RoundTripFunc {
					return apitest.After(10*time.Millisecond, test.fail())
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				results, value := 0, any(nil)
				func() {
					defer func() { value = recover() }()
					for range apitest.Over(t, server, apitest.Defaults()).FetchCustomerProfiles(ctx, func(yield func(string) bool) {
						for i := range 3 {
							if !yield(apitest.NumberedSID(i)) {
								return
							}
						}
						test.then(ctx)
					}) {
						if took := server.Elapsed(); took < test.want || took > test.want+15*time.Second {
							t.Errorf("a result after %v", took)
						}
						if results++; results == 3 {
							cancel()
						}
					}
				}()
				if results != 3 || (value != nil) != (name == "panic") {
					t.Errorf("%d results, panic %v", results, value)
				}
			})
		})
	}
}

// The longest MaxOutage changes nothing for SIDs that fail on their own.
func TestLongestMaxOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(time.Duration, string) apitest.RoundTripFunc {
			return apitest.After(10*time.Millisecond, apitest.Unavailable())
		})
		apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults()), 3, trusthub.WithMaxOutage(math.MaxInt64))
		if took := server.Elapsed(); took > 2*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

// A panic of middleware ends the pulling.
func TestPanicEndsPulling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(100*time.Millisecond, func(_ time.Duration, sid string) apitest.RoundTripFunc {
			if apitest.Number(sid) == 20 {
				panic("middleware")
			}
			return nil
		})
		var pulled atomic.Int64
		var value any
		func() {
			defer func() { value = recover() }()
			for range apitest.Over(t, server).FetchCustomerProfiles(t.Context(), apitest.Numbered(5000, &pulled)) { //nolint:revive // read to its end
			}
		}()
		if value != "middleware" || pulled.Load() > 100 {
			t.Errorf("panic %v, %d pulled", value, pulled.Load())
		}
	})
}

// SIDs that succeeded before and fail now are bad canaries: they cost probes, and do not hold the
// batch.
func TestCanariesThatTurnBad(t *testing.T) {
	for _, test := range []struct{ before, batch, bad int }{{2, 1, 1}, {3, 3, 1}, {3, 3, 2}, {4, 4, 2}, {6, 6, 2}, {10, 10, 2}} {
		synctest.Test(t, func(t *testing.T) {
			server := apitest.NewScene(0, func(at time.Duration, sid string) apitest.RoundTripFunc {
				if at > time.Minute && apitest.Number(sid) < test.bad {
					return apitest.After(10*time.Millisecond, apitest.Unavailable())
				}
				return apitest.After(time.Duration(100+apitest.Number(sid))*time.Millisecond, apitest.OK())
			})
			client := apitest.Over(t, server, apitest.Defaults())
			apitest.FetchAll(t.Context(), t, client, test.before)
			time.Sleep(time.Hour)
			results := apitest.FetchAll(t.Context(), t, client, test.batch)
			if took := server.Elapsed() - time.Hour; took > 2*time.Minute || apitest.Failed(results) != test.bad {
				t.Errorf("%+v: took %v, %d failed", test, took, apitest.Failed(results))
			}
		})
	}
}

// A 401 of a probe ends the batch, and one more result has it.
func TestUnauthorizedProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(at time.Duration, sid string) apitest.RoundTripFunc {
			switch {
			case at > 5*time.Second+time.Millisecond:
				return apitest.Handled(apitest.Answer(401, apitest.JSON, `{"code":20003}`))
			case apitest.Number(sid) == 1:
				return apitest.After(10*time.Millisecond, apitest.Unavailable())
			}
			return apitest.After(10*time.Millisecond, apitest.OK())
		})
		var last trusthub.FetchResult
		for last = range apitest.Over(t, server, apitest.Defaults()).FetchCustomerProfiles(t.Context(), apitest.Every(5*time.Second, 20)) { //nolint:revive // read to its end
		}
		if last.Index != -1 || !errors.Is(last.Err, trusthub.ErrUnauthorized) {
			t.Errorf("the last result is %+v", last)
		}
		time.Sleep(5 * time.Second) // the input may be asleep
	})
}

// Canaries that get a 403 decide nothing: a SID that fails ends with its own error after MaxOutage.
func TestForbiddenCanaries(t *testing.T) {
	for _, maxOutage := range []time.Duration{0, 15 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			server := apitest.NewScene(0, func(at time.Duration, sid string) apitest.RoundTripFunc {
				switch {
				case apitest.Number(sid) == 1:
					return apitest.After(10*time.Millisecond, apitest.Unavailable())
				case at > 100*time.Millisecond:
					return apitest.After(10*time.Millisecond, forbidden())
				}
				return apitest.After(10*time.Millisecond, apitest.OK())
			})
			results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults()), 2, trusthub.WithMaxOutage(maxOutage))
			took := server.Elapsed()
			if took < maxOutage || took > maxOutage+time.Minute || apitest.Failed(results) != 1 || errors.Is(results[1].Err, trusthub.ErrOutage) {
				t.Errorf("MaxOutage %v: took %v, %v", maxOutage, took, results[1].Err)
			}
		})
	}
}

// A batch that an outage ends says so, also when its last SID has a 403.
func TestOutageThatEndsWithForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(at time.Duration, sid string) apitest.RoundTripFunc {
			if apitest.Number(sid) == 7 && at > 210*time.Second+100*time.Millisecond {
				return apitest.After(10*time.Millisecond, forbidden())
			}
			return apitest.After(10*time.Millisecond, apitest.Unavailable())
		})
		results, outages := 0, 0
		client := apitest.Over(t, server, apitest.Defaults())
		for result := range client.FetchCustomerProfiles(t.Context(), apitest.Every(30*time.Second, 100), trusthub.WithMaxOutage(0)) {
			if results++; errors.Is(result.Err, trusthub.ErrOutage) {
				outages++
			}
		}
		if results < 100 && outages == 0 {
			t.Errorf("%d results, and none is ErrOutage", results)
		}
		time.Sleep(30 * time.Second) // the input may be asleep
	})
}

// The time of MaxOutage begins again after a pause of the input, also with 403s.
func TestOutageAfterPauseOfInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(at time.Duration, _ string) apitest.RoundTripFunc {
			if at < 10*time.Second {
				return apitest.After(10*time.Millisecond, apitest.Unavailable())
			}
			return apitest.After(10*time.Millisecond, forbidden())
		})
		client := apitest.Over(t, server, apitest.Defaults())
		for range client.FetchCustomerProfiles(t.Context(), func(yield func(string) bool) { //nolint:revive // read to its end
			for i := range 5000 {
				if i == 9 {
					time.Sleep(10 * time.Minute)
				}
				if !yield(apitest.NumberedSID(i)) {
					return
				}
			}
		}, trusthub.WithMaxOutage(5*time.Minute)) {
		}
		if took := server.Elapsed(); took > 20*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}
