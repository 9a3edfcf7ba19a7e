package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// fetchMany makes calls from several goroutines and returns the number of failures.
func fetchMany(ctx context.Context, client *trusthub.Client, calls, callers int) (failed int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	next := make(chan struct{})
	for range callers {
		all.Go(func() {
			for range next {
				if status, err := fetch(ctx, client); err != nil || status != 200 {
					mu.Lock()
					failed++
					mu.Unlock()
				}
			}
		})
	}
	for range calls {
		next <- struct{}{}
	}
	close(next)
	all.Wait()
	return failed
}

func TestMaxConcurrencyIsNeverExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{1, 5, 20} {
			a := apitest.NewAccount(1000, time.Second)
			client := apitest.Over(t, apitest.InMemory(t, a.ServeHTTP), trusthub.WithMaxConcurrency(n))
			if failed := fetchMany(t.Context(), client, 200, 40); failed > 0 || a.Stats().Highest != n {
				t.Errorf("%d: %d in flight, %d failed", n, a.Stats().Highest, failed)
			}
		}
	})
}

// The limiter finds the limit of the account: no call fails, few requests are throttled, and the
// account is busy. A 429 uses no attempt while other calls succeed; otherwise two attempts would
// not suffice.
func TestLimiterFindsTheAccountsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := apitest.NewAccount(10, 10*time.Millisecond)
		client := apitest.Over(t, apitest.InMemory(t, a.ServeHTTP), trusthub.WithMaxConcurrency(64), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 2}))
		start := time.Now()
		failed := fetchMany(t.Context(), client, 3000, 64)
		ideal := 3000 / 10 * 10 * time.Millisecond
		if took := time.Since(start); failed > 0 || took > ideal*4/3 {
			t.Errorf("%d failed, took %v of %v", failed, took, ideal)
		}
		if share := a.Stats().ThrottledShare(); share > 0.15 {
			t.Errorf("%.3f throttled", share)
		}
	})
}

// The limiter adapts when the limit of the account drops.
func TestLimiterFollowsTheAccountsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := apitest.NewAccount(50, 10*time.Millisecond)
		client := apitest.Over(t, apitest.InMemory(t, a.ServeHTTP), trusthub.WithMaxConcurrency(128), apitest.Defaults())
		time.AfterFunc(300*time.Millisecond, func() {
			a.SetLimit(5)
		})
		if failed := fetchMany(t.Context(), client, 2000, 128); failed > 0 || a.Stats().Served != 2000 {
			t.Errorf("%d failed, %d served", failed, a.Stats().Served)
		}
	})
}

// When no call succeeds, a 429 uses an attempt.
func TestLimiterGivesUpWhenNothingSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(apitest.Answer(200, apitest.JSON, apitest.Profile), apitest.Answer(429, apitest.JSON, "{}"))
		policy := trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 3, MinWait: time.Second, MaxWait: 10 * time.Second})
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), trusthub.WithMaxConcurrency(4), policy)
		if status, err := fetch(t.Context(), client); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
		start := time.Now()
		status, _ := fetch(t.Context(), client)
		if took := time.Since(start); status != 429 || took < 10*time.Second || took > 45*time.Second {
			t.Errorf("got %d after %v", status, took)
		}
	})
}

func TestWaitingCallersEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := apitest.NewAccount(10, time.Minute)
		client := apitest.Over(t, apitest.InMemory(t, a.ServeHTTP), trusthub.WithMaxConcurrency(1), trusthub.WithTimeout(time.Hour))
		go func() { _, _ = fetch(t.Context(), client) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := fetch(ctx, client); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second || a.Stats().Highest != 1 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		// The slot is free again.
		if status, err := fetch(t.Context(), client); status != 200 || err != nil {
			t.Errorf("got %d, %v", status, err)
		}
	})
}

func TestWaitingCallersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		client := apitest.Over(t, apitest.InMemory(t, func(w http.ResponseWriter, r *http.Request) {
			order = append(order, r.URL.Path[len("/v1/CustomerProfiles/"):])
			time.Sleep(time.Second)
			apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
		}), trusthub.WithMaxConcurrency(1))
		var all sync.WaitGroup
		var want []string
		for i := range 20 {
			sid := sid[:32] + string(rune('a'+i%6)) + string(rune('0'+i/6))
			want = append(want, sid)
			all.Go(func() { _, _ = client.FetchCustomerProfile(t.Context(), sid) })
			synctest.Wait()
		}
		all.Wait()
		if !slices.Equal(order, want) {
			t.Errorf("served in the order\n%v, want\n%v", order, want)
		}
	})
}

// A call that waits for a retry has no slot.
func TestBackingOffHoldsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(apitest.Asking(503, "10"), apitest.Answer(200, apitest.JSON, apitest.Profile))
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), trusthub.WithMaxConcurrency(1), apitest.Defaults())
		go func() { _, _ = fetch(t.Context(), client) }()
		synctest.Wait()
		start := time.Now()
		if status, err := fetch(t.Context(), client); status != 200 || err != nil || time.Since(start) != 0 {
			t.Errorf("got %d, %v after %v", status, err, time.Since(start))
		}
		time.Sleep(time.Minute)
	})
}

// A Retry-After pauses all callers. After it, one request is sent; its success admits the others.
func TestRetryAfterPausesAllCallers(t *testing.T) {
	for name, opt := range map[string]trusthub.Option{"bounded": trusthub.WithMaxConcurrency(50), "not bounded": apitest.Defaults()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Second)
					apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
				}
				s := apitest.NewScript(apitest.Throttle("5"), apitest.Throttle("5"), slow)
				client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), opt)
				start := time.Now()
				go func() { _, _ = fetch(t.Context(), client) }()
				synctest.Wait()
				if failed := fetchMany(t.Context(), client, 20, 20); failed > 0 {
					t.Errorf("%d failed", failed)
				}
				synctest.Wait() // for the goroutine of the throttled call
				after := s.Since(start)
				alone := []time.Duration{0, 5 * time.Second, 10 * time.Second}
				if len(after) != 23 || !slices.Equal(after[:3], alone) || after[3] < 11*time.Second {
					t.Errorf("sent after %v", after)
				}
			})
		})
	}
}

// A call fails at once if a pause is longer than MaxWait. Its error is the 429 that caused the
// pause.
func TestLongPauseIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(apitest.Throttle("60"), apitest.Answer(200, apitest.JSON, apitest.Profile))
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults())
		_, _ = fetch(t.Context(), client)
		time.Sleep(20 * time.Second)
		start := time.Now()
		_, err := fetch(t.Context(), client)
		var refused *trusthub.Error
		if !errors.As(err, &refused) || refused.StatusCode != 429 || refused.RetryAfter != 40*time.Second || refused.RequestID != "RQ1" || time.Since(start) != 0 {
			t.Errorf("got %v with %v after %v", err, refused, time.Since(start))
		}
		time.Sleep(31 * time.Second)
		if status, err := fetch(t.Context(), client); status != 200 || err != nil || time.Since(start) != 40*time.Second || s.Requests() != 2 {
			t.Errorf("got %d, %v after %v and %d requests", status, err, time.Since(start), s.Requests())
		}
	})
}

// The same holds for calls that already wait.
func TestLongPauseEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			apitest.Throttle("60")(w, r)
		})
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithMaxConcurrency(1))
		start := time.Now()
		if failed := fetchMany(t.Context(), client, 10, 10); failed != 10 || s.Requests() != 1 || time.Since(start) != time.Second {
			t.Errorf("%d failed after %v and %d requests", failed, time.Since(start), s.Requests())
		}
	})
}

// A SID that is always throttled, with or without Retry-After, does not delay the others. It is
// sent a limited number of times.
func TestOneThrottledAmongOthers(t *testing.T) {
	for _, retryAfter := range []string{"", "5"} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			client := apitest.Over(t, apitest.InMemory(t, func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(100 * time.Millisecond)
				if strings.HasSuffix(r.URL.Path, sid) { // SID of fetch
					asked++
					apitest.Throttle(retryAfter)(w, r)
					return
				}
				apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
			}), trusthub.WithMaxConcurrency(4), apitest.Defaults())
			// One call succeeds before the first 429.
			_, _ = client.FetchCustomerProfile(t.Context(), apitest.UnknownSID)
			ctx, cancel := context.WithCancel(t.Context())
			var others sync.WaitGroup
			var served atomic.Int64
			others.Go(func() {
				for ctx.Err() == nil {
					if _, err := client.FetchCustomerProfile(ctx, apitest.UnknownSID); err == nil {
						served.Add(1)
					}
				}
			})
			start := time.Now()
			status, err := fetch(t.Context(), client)
			took := time.Since(start)
			cancel()
			others.Wait()
			time.Sleep(time.Second) // time for the server
			if status != 429 && !errors.Is(err, trusthub.ErrTooManyRequests) || asked < 50 || asked > 51 || took > 15*time.Minute {
				t.Errorf("got %d, %v after %v, sent %d times", status, err, took, asked)
			}
			if possible := int64(took / (100 * time.Millisecond)); served.Load() < possible*9/10 {
				t.Errorf("%d others served, %d possible", served.Load(), possible)
			}
		})
	}
}

// A panic in middleware releases the slot.
func TestPanicsHoldNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				panic("middleware")
			}
			return apitest.OK()(req)
		}), trusthub.WithMaxConcurrency(1))
		func() {
			defer func() { _ = recover() }()
			_, _ = fetch(t.Context(), client)
		}()
		if status, err := fetch(t.Context(), client); status != 200 || err != nil || calls != 2 {
			t.Errorf("got %d, %v after %d calls", status, err, calls)
		}
	})
}

// A very long Retry-After pauses a client for an hour only.
func TestPauseEndsAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(apitest.Throttle("86400"), apitest.Answer(200, apitest.JSON, apitest.Profile))
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults())
		start := time.Now()
		_, _ = fetch(t.Context(), client)
		time.Sleep(time.Hour - 11*time.Second)
		_, err := fetch(t.Context(), client)
		if refused, ok := errors.AsType[*trusthub.Error](err); !ok || refused.RetryAfter != 11*time.Second {
			t.Errorf("11 s before its end: %v", err)
		}
		time.Sleep(time.Second) // 10 s is not longer than MaxWait
		status, err := fetch(t.Context(), client)
		if status != 200 || err != nil || time.Since(start) != time.Hour || s.Requests() != 2 {
			t.Errorf("got %d, %v after %v and %d requests", status, err, time.Since(start), s.Requests())
		}
	})
}

// A 429 without Retry-After pauses all callers for about the duration of a request.
func TestPauseWithoutRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
		}, apitest.Answer(429, apitest.JSON, "{}"), apitest.Answer(200, apitest.JSON, apitest.Profile))
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP))
		for range 2 {
			_, _ = client.FetchCustomerProfile(t.Context(), sid)
		}
		start := time.Now()
		_, err := client.FetchCustomerProfile(t.Context(), sid)
		if took := time.Since(start); err != nil || took < 500*time.Millisecond || took > 1500*time.Millisecond {
			t.Errorf("got %v after %v", err, took)
		}
	})
}

// A request that is throttled for the first time keeps its place in the queue.
func TestThrottledWaitsAtTheFront(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []int
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			order = append(order, apitest.Number(req.URL.Path[len("/v1/CustomerProfiles/"):]))
			if len(order) == 2 {
				return apitest.After(time.Second, apitest.Handled(apitest.Answer(429, apitest.JSON, "{}")))(req)
			}
			return apitest.After(time.Second, apitest.OK())(req)
		}), trusthub.WithMaxConcurrency(1), apitest.Defaults())
		// success of another call
		_, _ = client.FetchCustomerProfile(t.Context(), fmt.Sprintf("BU%032x", 0))
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() { _, _ = client.FetchCustomerProfile(t.Context(), fmt.Sprintf("BU%032x", i+1)) })
			synctest.Wait()
		}
		all.Wait()
		if want := []int{0, 1, 1, 2, 3}; !slices.Equal(order, want) {
			t.Errorf("sent %v, want %v", order, want)
		}
	})
}

// A 429 uses no attempt until MaxWait after the last success.
func TestThrottlesUseNoAttemptForMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for idle, want := range map[time.Duration]int{9 * time.Second: 200, 11 * time.Second: 429} {
			s := apitest.NewScript(apitest.Answer(200, apitest.JSON, apitest.Profile), apitest.Answer(429, apitest.JSON, "{}"), apitest.Answer(200, apitest.JSON, apitest.Profile))
			// The client has one attempt.
			client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), trusthub.WithMaxConcurrency(4))
			_, _ = fetch(t.Context(), client)
			time.Sleep(idle)
			if status, err := fetch(t.Context(), client); status != want {
				t.Errorf("%v after the last success: %d, %v", idle, status, err)
			}
		}
	})
}

// A pause without Retry-After is not longer than MaxWait, also when requests are slow.
func TestPauseWithoutRetryAfterIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			switch calls.Add(1) {
			case 1:
				return apitest.After(50*time.Second, apitest.OK())(req)
			case 2:
				return apitest.Throttled("")(req)
			}
			return apitest.OK()(req)
		}), trusthub.WithTimeout(time.Minute))
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		_, err := client.FetchCustomerProfile(t.Context(), sid)
		if !errors.Is(err, trusthub.ErrTooManyRequests) {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = client.FetchCustomerProfile(t.Context(), sid)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("waited %v for a pause, MaxWait is 10s: %v", took, err)
		}
	})
}

// After a Retry-After, callers wait for the first request. If it hangs, the next ones are not sent
// one by one.
func TestFirstRequestAfterAPauseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				return apitest.Throttled("1")(req)
			}
			return apitest.After(time.Hour, nil)(req)
		}))
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		start := time.Now()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { _, _ = client.FetchCustomerProfile(t.Context(), sid) })
		}
		all.Wait()
		if took := time.Since(start); took > 70*time.Second {
			t.Errorf("20 concurrent calls of one attempt of 30 s each took %v", took)
		}
	})
}

// The error of a call that ends by another call's 429 has its own SID.
func TestCopyNamesItsOwnSID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := apitest.Over(t, apitest.Throttled("60"), apitest.Defaults())
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		_, err := client.FetchCustomerProfile(t.Context(), apitest.UnknownSID)
		if err == nil || !strings.Contains(err.Error(), apitest.UnknownSID) {
			t.Errorf("%s: got %v", apitest.UnknownSID, err)
		}
	})
}

// A call that is throttled alone waits for its Retry-After, but other calls are not paused.
func TestRetryAfterOfOneThrottledCall(t *testing.T) {
	for name, opt := range map[string]trusthub.Option{
		"not bounded": trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 8}), "bounded": trusthub.WithMaxConcurrency(4),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var times []time.Duration
				server := apitest.NewScene(100*time.Millisecond, func(at time.Duration, asked string) apitest.RoundTripFunc {
					if asked != sid {
						return nil
					}
					mu.Lock()
					times = append(times, at)
					mu.Unlock()
					return apitest.Throttled("5")
				})
				client := apitest.Over(t, server, apitest.Defaults(), opt)
				ctx, cancel := context.WithCancel(t.Context())
				var others sync.WaitGroup
				others.Go(func() {
					for ctx.Err() == nil {
						_, _ = client.FetchCustomerProfile(ctx, apitest.UnknownSID)
					}
				})
				_, _ = client.FetchCustomerProfile(t.Context(), sid)
				cancel()
				others.Wait()
				if len(times) < 2 {
					t.Errorf("%d attempts", len(times))
				}
				for i := 1; i < len(times); i++ {
					if wait := times[i] - times[i-1]; wait < 5*time.Second {
						t.Errorf("attempt %d after %v, in spite of Retry-After: 5", i+1, wait)
						break
					}
				}
			})
		})
	}
}
