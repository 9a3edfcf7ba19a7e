package trusthub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
)

// world is an API with outages, in which the time of the answer counts.
type world struct {
	mu       sync.Mutex
	rng      *rand.Rand
	from     time.Time
	takes    time.Duration
	windows  []downtime
	inFlight int
	highest  int
	sent     []time.Duration
	pauses   [][2]time.Duration
}

type downtime struct {
	from, to time.Duration
	kind     string
	early    bool // what is in flight at the onset fails, too
}

// newWorld has some outages, each within gap of the one before, and up to length and a second long.
func newWorld(rng *rand.Rand, outages int, gap, length time.Duration) *world {
	kinds := []string{"503", "slow 503", "503 asks", "refused", "torn", "hang", "429", "429 asks", "429 asks much"}
	w := &world{rng: rng, from: time.Now(), takes: []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond}[rng.IntN(3)]}
	at := time.Duration(0)
	for range outages {
		at += time.Duration(rng.Int64N(int64(gap)))
		to := at + time.Second + time.Duration(rng.Int64N(int64(length)))
		w.windows = append(w.windows, downtime{at, to, kinds[rng.IntN(len(kinds))], rng.IntN(2) == 0})
		at = to
	}
	return w
}

func (w *world) String() string { return fmt.Sprintf("takes %v, %v", w.takes, w.windows) }

func (w *world) at(d time.Duration) *downtime {
	for i := range w.windows {
		if w.windows[i].from <= d && d < w.windows[i].to {
			return &w.windows[i]
		}
	}
	return nil
}

func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	now := time.Since(w.from)
	w.sent = append(w.sent, now)
	w.inFlight++
	w.highest = max(w.highest, w.inFlight)
	takes := w.takes/2 + time.Duration(w.rng.Int64N(int64(w.takes)+1))
	quick := time.Duration(w.rng.Int64N(int64(10 * time.Millisecond)))
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.inFlight--
		w.mu.Unlock()
	}()
	in := w.at(now)
	if in == nil {
		if in = w.at(now + takes); in != nil && !in.early {
			in = nil
		} else if in != nil {
			time.Sleep(in.from - now)
		}
	}
	if in == nil {
		return after(takes, ok())(req)
	}
	switch in.kind {
	case "503":
		return after(quick, unavailable())(req)
	case "slow 503":
		return after(10*takes, unavailable())(req)
	case "503 asks":
		return after(quick, handled(asking(503, "20")))(req)
	case "refused":
		return nil, errors.New("connection refused")
	case "torn":
		return after(quick, torn)(req)
	case "hang":
		return after(time.Hour, nil)(req)
	case "429":
		return after(quick, handled(refusal("")))(req)
	case "429 asks", "429 asks much":
		seconds := map[string]int{"429 asks": 3, "429 asks much": 25}[in.kind]
		answer, err := after(quick, handled(refusal(strconv.Itoa(seconds))))(req)
		if err == nil {
			w.mu.Lock()
			now := time.Since(w.from)
			w.pauses = append(w.pauses, [2]time.Duration{now, now + time.Duration(seconds)*time.Second})
			w.mu.Unlock()
		}
		return answer, err
	}
	panic(in.kind)
}

func (w *world) between(from, to time.Duration) (n int) {
	return (&scene{sent: w.sent}).between(from, to)
}

// Outages of any pattern that hit all requests lose nothing, and take neither many requests nor much time after them.
func TestFleetsInAnyOutage(t *testing.T) {
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				pick := func(of ...int) int { return of[rng.IntN(len(of))] }
				w := newWorld(rng, pick(1, 1, 2, 3), 20*time.Second, time.Minute)
				at := w.windows[len(w.windows)-1].to
				n, attempts, bound, timeout := pick(1, 2, 3, 10, 100, 1000), pick(1, 3), pick(0, 1, 2, 8, 64), pick(2, 30)
				input, body := pick(0, 0, 1, 30, 300), pick(0, 0, 0, 1, 50)
				if slices.ContainsFunc(w.windows, func(d downtime) bool { return d.kind == "hang" || strings.HasPrefix(d.kind, "429") }) {
					attempts = 3 // when one request at a time is the only one in a short outage, nobody can tell that it was one
				}
				opts := []trusthub.Option{
					trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts}), trusthub.WithTimeout(time.Duration(timeout) * time.Second),
				}
				most := 16
				if bound > 0 {
					opts, most = append(opts, trusthub.WithMaxConcurrency(bound)), bound
				}
				client := over(t, w, opts...)
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
						failed = append(failed, fmt.Sprintf("%d at %v: %.100s", result.Index, time.Since(w.from), result.Err))
					}
					time.Sleep(time.Duration(body) * time.Millisecond)
				}
				took := time.Since(w.from)
				synctest.Wait()
				pulls.Lock()
				defer pulls.Unlock()
				if results != pulled || pulled != n || len(failed) > 0 {
					t.Errorf("%d results, %d pulled of %d, %d failed: %v", results, pulled, n, len(failed), failed[:min(3, len(failed))])
				}
				if w.highest > most {
					t.Errorf("%d in flight, at most %d", w.highest, most)
				}
				for _, pause := range w.pauses {
					if sent := w.between(pause[0]+1, pause[1]); sent > most { // what had stepped aside before is not heard until another is refused
						t.Errorf("%d sent in the pause from %v to %v", sent, pause[0], pause[1])
						break
					}
				}
				for _, window := range w.windows {
					if length := window.to - window.from - 5*time.Second; length > 0 {
						if sent := w.between(window.to-length, window.to); sent > 20+int(length/time.Second) {
							t.Errorf("%d requests in the last %v of %q", sent, length, window.kind)
						}
					}
				}
				ideal := time.Duration(n)*max(w.takes/time.Duration(most), time.Duration(input+body)*time.Millisecond) + at
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

// Several fleets and single calls on one client, some left early, some whose context ends, some whose input panics: the bound
// holds, all ends, and no goroutine is left, or else the bubble complains.
func TestFleetsAndCallsOnOneClient(t *testing.T) {
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 2))
				pick := func(of ...int) int { return of[rng.IntN(len(of))] }
				w := newWorld(rand.New(rand.NewPCG(seed, 3)), pick(0, 1, 2), 10*time.Second, 20*time.Second)
				bound := pick(1, 2, 8, 64)
				client := over(t, w, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: pick(1, 3)}), trusthub.WithMaxConcurrency(bound))
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
						seen, left := make(map[int]bool), false
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
								seen[result.Index] = true
								if left = len(seen) == leave; left {
									break
								}
								time.Sleep(time.Duration(body) * time.Millisecond)
							}
						}()
						// a pull that was under way at the end of ctx is not waited for
						if missing := int(pulled.Load()) - len(seen); !left && missing > 0 && (missing > 1 || ctx.Err() == nil) {
							t.Errorf("%d results of %d pulled", len(seen), pulled.Load())
						}
					})
				}
				for range pick(0, 1, 10) {
					wait, patience := time.Duration(rng.Int64N(int64(30*time.Second))), time.Duration(pick(1, 100))*time.Second
					all.Go(func() {
						time.Sleep(wait)
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						defer cancel()
						profile, err := client.FetchCustomerProfile(ctx, sid)
						if (profile == nil) == (err == nil) || err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
							t.Errorf("%v with %v", profile, err)
						}
					})
				}
				all.Wait()
				if took := time.Since(w.from); took > time.Hour {
					t.Errorf("took %v", took)
				}
				if w.highest > bound {
					t.Errorf("%d in flight, at most %d", w.highest, bound)
				}
				for _, pause := range w.pauses {
					if sent := w.between(pause[0]+1, pause[1]); sent > 0 {
						t.Errorf("%d sent in the pause from %v to %v", sent, pause[0], pause[1])
						break
					}
				}
				time.Sleep(time.Minute) // for inputs
				start := time.Now()
				if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || time.Since(start) > 2*time.Minute {
					t.Errorf("after it all: %v after %v", err, time.Since(start))
				}
				if t.Failed() {
					t.Log(bound, w)
				}
			})
		})
	}
}
