package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// balance counts the calls and attempts of hooks that are not done.
type balance struct {
	mu              sync.Mutex
	calls, attempts int
}

type balanceKey struct{}

func (b *balance) hooks(t *testing.T) trusthub.Option {
	complain := func(format string, args ...any) { t.Errorf(format, args...) }
	type state struct {
		open, attempts int
		done           bool
		final          bool
	}
	return trusthub.WithHooks(trusthub.Hooks{
		CallStart: func(ctx context.Context, _ trusthub.CallInfo) context.Context {
			b.mu.Lock()
			b.calls++
			b.mu.Unlock()
			return context.WithValue(ctx, balanceKey{}, new(state))
		},
		AttemptStart: func(ctx context.Context, i trusthub.AttemptInfo) context.Context {
			s := ctx.Value(balanceKey{}).(*state)
			if s.open++; s.open != 1 || s.done {
				complain("attempt starts: %+v", s)
			}
			if s.final {
				complain("attempt %d after a final one", i.Number)
			}
			b.mu.Lock()
			b.attempts++
			b.mu.Unlock()
			return ctx
		},
		AttemptDone: func(ctx context.Context, i trusthub.AttemptInfo) {
			s := ctx.Value(balanceKey{}).(*state)
			if s.open--; s.open != 0 || s.done {
				complain("attempt ends: %+v", s)
			}
			s.final = i.Final
			s.attempts++
			if (i.Err == nil) != (i.Reason == "") {
				complain("%+v", i)
			}
			b.mu.Lock()
			b.attempts--
			b.mu.Unlock()
		},
		CallDone: func(ctx context.Context, i trusthub.CallInfo) {
			s := ctx.Value(balanceKey{}).(*state)
			if s.open != 0 || s.done {
				complain("call ends: %+v", s)
			}
			s.done = true
			if i.Reason != trusthub.ReasonPanic && i.Attempts > s.attempts {
				complain("%d attempts, %d reported", i.Attempts, s.attempts)
			}
			if (i.Err == nil) != (i.Reason == "") {
				complain("%+v", i)
			}
			b.mu.Lock()
			b.calls--
			b.mu.Unlock()
		},
	})
}

// Each Start has its Done, and no request stays in flight, with random panics, violations and
// outages.
func TestStartsAndDonesBalance(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 7))
				pick := func(of ...int) int { return of[rng.IntN(len(of))] }
				w := apitest.NewWorld(rand.New(rand.NewPCG(seed, 3)), pick(1, 2, 3), 5*time.Second, 40*time.Second)
				panics := pick(0, 0, 1, 5)     // per 1,000 requests
				violation := pick(0, 0, 5, 50) // per 1,000 requests
				auths := pick(0, 0, 3)
				var rmu sync.Mutex
				r2 := rand.New(rand.NewPCG(seed, 9))
				chance := func(perMille int) bool {
					rmu.Lock()
					defer rmu.Unlock()
					return r2.IntN(1000) < perMille
				}
				transport := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					answer, err := w.RoundTrip(req)
					switch {
					case chance(panics):
						panic("middleware")
					case chance(violation):
						return nil, &contract.Violation{}
					case chance(auths):
						return apitest.Handled(handlerOf(401))(req)
					}
					return answer, err
				})
				var b balance
				opts := []trusthub.Option{b.hooks(t), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: pick(1, 3)})}
				outage := trusthub.WithMaxOutage(time.Duration(pick(0, 5, 60, 900)) * time.Second)
				bound := pick(0, 1, 2, 8, 64)
				if bound > 0 {
					opts = append(opts, trusthub.WithMaxConcurrency(bound))
				}
				client := apitest.Client(t, apitest.Bearer(), transport, opts...)
				var all sync.WaitGroup
				for range pick(1, 2, 3) {
					n, leave, end, input, body := pick(1, 3, 100, 400), pick(-1, -1, 1, 20), pick(0, 0, 1, 5, 20), pick(0, 0, 20, 500), pick(0, 0, 30)
					all.Go(func() {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if end > 0 {
							time.AfterFunc(time.Duration(end)*time.Second, cancel)
						}
						defer func() {
							if value := recover(); value != nil && value != "middleware" {
								t.Error(value)
							}
						}()
						seen := 0
						for range client.FetchCustomerProfiles(ctx, apitest.Every(time.Duration(input)*time.Millisecond, n), outage) {
							if seen++; seen == leave {
								return
							}
							time.Sleep(time.Duration(body) * time.Millisecond)
						}
					})
				}
				for range pick(0, 5) {
					maxWait := time.Duration(pick(1, 100)) * time.Second
					all.Go(func() {
						defer func() { _ = recover() }()
						ctx, cancel := context.WithTimeout(t.Context(), maxWait)
						defer cancel()
						for range 5 {
							_, _ = client.FetchCustomerProfile(ctx, sid)
						}
					})
				}
				stop := make(chan struct{})
				go func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(137 * time.Millisecond):
						}
						if s := client.Stats(); s.InFlight < 0 || s.Waiting < 0 || s.Limit < 0 || bound > 0 && (s.InFlight > bound || s.Limit > float64(bound)) || s.RetriesLeft < 0 || s.RetriesLeft > 100 {
							t.Errorf("%+v", s)
						}
					}
				}()
				all.Wait()
				took := w.Elapsed()
				close(stop)
				synctest.Wait()
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				s := client.Stats()
				if s.InFlight != 0 || s.Waiting != 0 || s.Holding || s.Paused != 0 || b.calls != 0 || b.attempts != 0 {
					t.Errorf("%+v, %d calls and %d attempts open", s, b.calls, b.attempts)
				}
				if took > 2*time.Hour {
					t.Errorf("took %v: %v bound %d panics %d violations %d", took, w, bound, panics, violation)
				}
			})
		})
	}
}

func handlerOf(status int) http.HandlerFunc {
	return apitest.Answer(status, apitest.JSON, `{"code":1}`)
}

// Stats is correct after Goexit in a transport. The test runs in real time, because Goexit ends a
// synctest bubble.
func TestStatsAfterGoexit(t *testing.T) {
	var b balance
	var n atomic.Int64
	client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		switch n.Add(1) % 5 {
		case 0:
			runtime.Goexit()
		case 1:
			return apitest.Unavailable()(req)
		}
		return apitest.OK()(req)
	}), b.hooks(t), trusthub.WithMaxConcurrency(4), trusthub.WithRetry(trusthub.RetryPolicy{MinWait: time.Millisecond, MaxWait: 2 * time.Millisecond}))
	results := 0
	for range client.FetchCustomerProfiles(context.Background(), apitest.Numbered(50, new(atomic.Int64))) {
		results++
	}
	if s := client.Stats(); results != 50 || s.InFlight != 0 || b.calls != 0 || b.attempts != 0 {
		t.Errorf("%d results, %+v, %+v", results, s, &b)
	}
}
