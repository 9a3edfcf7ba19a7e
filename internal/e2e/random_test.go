package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// Random outages lose no profile. Few requests are sent in them, and batches end soon after them.
func TestBatchesInAnyOutage(t *testing.T) {
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				pick := func(of ...int) int { return of[rng.IntN(len(of))] }
				w := apitest.NewWorld(rng, pick(1, 1, 2, 3), 20*time.Second, time.Minute)
				at := w.Windows[len(w.Windows)-1].To
				n, attempts, bound, timeout := pick(1, 2, 3, 10, 100, 1000), pick(1, 3), pick(0, 1, 2, 8, 64), pick(2, 30)
				input, body := pick(0, 0, 1, 30, 300), pick(0, 0, 0, 1, 50)
				if slices.ContainsFunc(w.Windows, func(d apitest.Downtime) bool { return d.Kind == "hang" || strings.HasPrefix(d.Kind, "429") }) {
					// A single attempt in a short outage cannot be distinguished from a failing SID.
					attempts = 3
				}
				opts := []trusthub.Option{
					trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts}), trusthub.WithTimeout(time.Duration(timeout) * time.Second),
				}
				most := 16
				if bound > 0 {
					opts, most = append(opts, trusthub.WithMaxConcurrency(bound)), bound
				}
				client := apitest.Over(t, w, opts...)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
				defer cancel()
				pulled := 0
				results, failed := 0, []string(nil)
				var pulls sync.Mutex
				for result := range client.FetchCustomerProfiles(ctx, func(yield func(string) bool) {
					for i := range n {
						time.Sleep(time.Duration(input) * time.Millisecond)
						pulls.Lock()
						pulled++
						pulls.Unlock()
						if !yield(fmt.Sprintf("BU%032x", i)) {
							return
						}
					}
				}) {
					results++
					if result.Err != nil {
						failed = append(failed, fmt.Sprintf("%d at %v: %.100s", result.Index, w.Elapsed(), result.Err))
					}
					time.Sleep(time.Duration(body) * time.Millisecond)
				}
				took := w.Elapsed()
				synctest.Wait()
				pulls.Lock()
				defer pulls.Unlock()
				if results != pulled || pulled != n || len(failed) > 0 {
					t.Errorf("%d results, %d pulled of %d, %d failed: %v", results, pulled, n, len(failed), failed[:min(3, len(failed))])
				}
				if w.Highest() > most {
					t.Errorf("%d in flight, at most %d", w.Highest(), most)
				}
				for _, pause := range w.Pauses() {
					// A call that is throttled alone does not pause the others until another one is throttled.
					if sent := w.Between(pause.From+1, pause.To); sent > most {
						t.Errorf("%d sent in the pause from %v to %v", sent, pause.From, pause.To)
						break
					}
				}
				for _, window := range w.Windows {
					if length := window.To - window.From - 5*time.Second; length > 0 {
						if sent := w.Between(window.To-length, window.To); sent > 20+int(length/time.Second) {
							t.Errorf("%d requests in the last %v of %q", sent, length, window.Kind)
						}
					}
				}
				ideal := time.Duration(n)*max(w.Takes/time.Duration(most), time.Duration(input+body)*time.Millisecond) + at
				if took > 2*ideal+2*time.Minute {
					t.Errorf("took %v, ideal is %v", took, ideal)
				}
				if t.Failed() {
					t.Logf("n %d, attempts %d, bound %d, timeout %ds, input %dms, body %dms, %v", n, attempts, bound, timeout, input, body, w)
				}
			})
		})
	}
}

const seeds = 40

// Random batches and calls use one client: some loops end early, some contexts end, some inputs
// panic. The limit is kept, all loops end, and no goroutine is left.
func TestBatchesAndCallsOnOneClient(t *testing.T) {
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 2))
				pick := func(of ...int) int { return of[rng.IntN(len(of))] }
				w := apitest.NewWorld(rand.New(rand.NewPCG(seed, 3)), pick(0, 1, 2), 10*time.Second, 20*time.Second)
				bound := pick(1, 2, 8, 64)
				client := apitest.Over(t, w, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: pick(1, 3)}), trusthub.WithMaxConcurrency(bound))
				outage := trusthub.WithMaxOutage(time.Duration(pick(5, 60, 900)) * time.Second)
				var all sync.WaitGroup
				for range pick(1, 2, 4) {
					n, leave, end, panics, input := pick(1, 3, 100), pick(-1, -1, 1, 20), pick(0, 0, 1, 5, 20), pick(-1, -1, -1, 10), pick(0, 0, 20)
					body := pick(0, 0, 30)
					all.Go(func() {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if end > 0 {
							ctx, cancel = context.WithTimeout(ctx, time.Duration(end)*time.Second)
							defer cancel()
						}
						var pulled atomic.Int64
						seen, left, failed := make(map[int]bool), false, false
						func() {
							defer func() {
								if value := recover(); value != nil && value != "input" {
									panic(value)
								}
							}()
							for result := range client.FetchCustomerProfiles(ctx, func(yield func(string) bool) {
								for i := range n {
									time.Sleep(time.Duration(input) * time.Millisecond)
									if i == panics {
										panic("input")
									}
									pulled.Add(1)
									if !yield(fmt.Sprintf("BU%032x", i)) {
										return
									}
								}
							}, outage) {
								if seen[result.Index] || (result.Profile == nil) == (result.Err == nil) {
									t.Errorf("%d twice, or %v with %v", result.Index, result.Profile, result.Err)
								}
								seen[result.Index], failed = true, failed || result.Err != nil
								if left = len(seen) == leave; left {
									break
								}
								time.Sleep(time.Duration(body) * time.Millisecond)
							}
						}()
						// A SID that is pulled while the batch ends has no result.
						if missing := int(pulled.Load()) - len(seen); !left && missing > 0 && (missing > 1 || ctx.Err() == nil && !failed) {
							t.Errorf("%d results of %d pulled", len(seen), pulled.Load())
						}
					})
				}
				for range pick(0, 1, 10) {
					wait, maxWait := time.Duration(rng.Int64N(int64(30*time.Second))), time.Duration(pick(1, 100))*time.Second
					all.Go(func() {
						time.Sleep(wait)
						ctx, cancel := context.WithTimeout(t.Context(), maxWait)
						defer cancel()
						profile, err := client.FetchCustomerProfile(ctx, sid)
						if (profile == nil) == (err == nil) || err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
							t.Errorf("%v with %v", profile, err)
						}
					})
				}
				all.Wait()
				if took := w.Elapsed(); took > time.Hour {
					t.Errorf("took %v", took)
				}
				if w.Highest() > bound {
					t.Errorf("%d in flight, at most %d", w.Highest(), bound)
				}
				for _, pause := range w.Pauses() {
					if sent := w.Between(pause.From+1, pause.To); sent > 0 {
						t.Errorf("%d sent in the pause from %v to %v", sent, pause.From, pause.To)
						break
					}
				}
				time.Sleep(time.Minute) // time for inputs
				start := time.Now()
				if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || time.Since(start) > 2*time.Minute {
					t.Errorf("at the end: %v after %v", err, time.Since(start))
				}
				if t.Failed() {
					t.Log(bound, w)
				}
			})
		})
	}
}
