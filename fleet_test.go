package trusthub_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
)

// numbered yields n SIDs and counts how many were pulled.
func numbered(n int, pulled *atomic.Int64) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range n {
			pulled.Add(1)
			if !yield(fmt.Sprintf("BU%032x", i)) {
				return
			}
		}
	}
}

func TestFleetYieldsEachSIDOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sids := []string{sid, "malformed", unknownSID, sid, "", emptySID}
		client := over(t, inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, unknownSID) {
				answer(404, jsonType, `{"code":20404}`)(w, r)
				return
			}
			answer(200, jsonType, `{"sid":"`+r.URL.Path[len("/v1/CustomerProfiles/"):]+`"}`)(w, r)
		}))
		var got []string
		for result := range client.FetchCustomerProfiles(t.Context(), slices.Values(sids)) {
			got = append(got, result.SID)
			if (result.Profile == nil) == (result.Err == nil) {
				t.Errorf("got %+v", result)
			}
			switch result.SID {
			case "", "malformed":
				if !errors.Is(result.Err, trusthub.ErrInvalidSID) {
					t.Errorf("%q: got %v", result.SID, result.Err)
				}
			case unknownSID:
				if !errors.Is(result.Err, trusthub.ErrNotFound) {
					t.Errorf("%q: got %v", result.SID, result.Err)
				}
			default:
				if result.Err != nil || result.Profile.SID != result.SID {
					t.Errorf("%q: got %v, %v", result.SID, result.Profile, result.Err)
				}
			}
		}
		slices.Sort(sids)
		slices.Sort(got)
		if !slices.Equal(got, sids) {
			t.Errorf("got %q", got)
		}
	})
}

func TestFleetYieldsInOrderOfCompletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := over(t, inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Duration('9'-r.URL.Path[len(r.URL.Path)-1]) * time.Second)
			answer(200, jsonType, acme)(w, r)
		}))
		last := ""
		for result := range client.FetchCustomerProfiles(t.Context(), numbered(4, new(atomic.Int64))) {
			if last != "" && result.SID > last {
				t.Errorf("%s after %s", result.SID, last)
			}
			last = result.SID
		}
	})
}

// A pipe that delivers one SID now and the next much later holds up nothing.
func TestFleetDoesNotWaitForItsInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := over(t, inMemory(t, answer(200, jsonType, acme)))
		start := time.Now()
		var times []time.Duration
		for range client.FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
			for range 3 {
				if !yield(sid) {
					return
				}
				time.Sleep(time.Hour)
			}
		}) {
			times = append(times, time.Since(start))
		}
		if want := []time.Duration{0, time.Hour, 2 * time.Hour}; !slices.Equal(times, want) {
			t.Errorf("results after %v", times)
		}
	})
}

func TestFleetBounds(t *testing.T) {
	for name, test := range map[string]struct {
		opts  []trusthub.Option
		bound int
	}{
		"of its own":      {nil, 16},
		"of the client's": {[]trusthub.Option{trusthub.WithMaxConcurrency(3)}, 3},
		"huge":            {[]trusthub.Option{trusthub.WithMaxConcurrency(math.MaxInt)}, 1 << 15},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &account{limit: 1 << 20, hold: time.Second}
				client := over(t, inMemory(t, a.ServeHTTP), test.opts...)
				for result := range client.FetchCustomerProfiles(t.Context(), numbered(200, new(atomic.Int64))) {
					if result.Err != nil {
						t.Error(result.Err)
					}
				}
				if want := min(test.bound, 200); a.highest > want || a.highest < min(want, 16) || a.served != 200 {
					t.Errorf("%d in flight, want %d; %d served", a.highest, want, a.served)
				}
			})
		})
	}
}

// A loop body that takes its time holds up the input, not the memory.
func TestFleetPullsLazily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := over(t, inMemory(t, answer(200, jsonType, acme)))
		var pulled atomic.Int64
		results := 0
		for range client.FetchCustomerProfiles(t.Context(), numbered(1000, &pulled)) {
			synctest.Wait()
			if ahead := int(pulled.Load()) - results; ahead > 2*16+1 {
				t.Fatalf("%d pulled ahead", ahead)
			}
			results++
		}
		if results != 1000 {
			t.Errorf("%d results", results)
		}
	})
}

// A million SIDs take no more memory than a few.
func TestFleetRunsInConstantMemory(t *testing.T) {
	client := over(t, canned(200, http.Header{"Content-Type": {jsonType}}, acme))
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	const million = 1_000_000
	var early, results uint64
	for range client.FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
		for i := range million {
			candidate := "malformed" // costs no request
			if i%100 == 0 {
				candidate = sid
			}
			if !yield(candidate) {
				return
			}
		}
	}) {
		if results++; results == million/100 {
			early = heap()
		}
		if results%(million/4) == 0 {
			if now := heap(); now > early+2<<20 {
				t.Errorf("%d bytes after %d results, %d early on", now, results, early)
			}
		}
	}
	if results != million {
		t.Errorf("%d results", results)
	}
}

// Leaving the loop ends the requests in flight, and no goroutine is left: the bubble would complain.
func TestFleetLeftEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started, ended atomic.Int64
		client := over(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if started.Add(1) == 1 {
				return canned(200, http.Header{"Content-Type": {jsonType}}, acme)(req)
			}
			<-req.Context().Done()
			ended.Add(1)
			return nil, req.Context().Err()
		}))
		start := time.Now()
		for range client.FetchCustomerProfiles(t.Context(), numbered(100, new(atomic.Int64))) {
			synctest.Wait()
			break
		}
		synctest.Wait()
		if started.Load() < 2 || ended.Load() != started.Load()-1 || time.Since(start) != 0 {
			t.Errorf("%d started, %d ended, after %v", started.Load(), ended.Load(), time.Since(start))
		}
	})
}

// When the context ends, what is in flight yields its error, what is not pulled yields nothing, and a pull under way is
// not waited for.
func TestFleetContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, context.Cause(req.Context())
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		pipe := make(chan string, 3)
		for range cap(pipe) {
			pipe <- sid
		}
		start, results := time.Now(), 0
		for result := range over(t, hang).FetchCustomerProfiles(ctx, func(yield func(string) bool) {
			for sid := range pipe { // blocks after three
				if !yield(sid) {
					return
				}
			}
		}) {
			results++
			if !errors.Is(result.Err, context.DeadlineExceeded) {
				t.Errorf("got %v", result.Err)
			}
		}
		if results != 3 || time.Since(start) != time.Second {
			t.Errorf("%d results after %v", results, time.Since(start))
		}
		pipe <- sid // the pull returns, and with it the goroutine

		ended, end := context.WithCancel(t.Context())
		end()
		for result := range over(t, hang).FetchCustomerProfiles(ended, numbered(3, new(atomic.Int64))) {
			t.Errorf("got %v of an ended context", result)
		}
	})
}

// Every SID that was pulled yields a result, also when the context ends in between.
func TestFleetLosesNothingThatWasPulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{limit: 1000, hold: 100 * time.Millisecond}
		client := over(t, inMemory(t, a.ServeHTTP))
		ctx, cancel := context.WithTimeout(t.Context(), 1050*time.Millisecond)
		defer cancel()
		var pulled atomic.Int64
		results := int64(0)
		for range client.FetchCustomerProfiles(ctx, numbered(1_000_000, &pulled)) {
			results++
		}
		if results != pulled.Load() || results < 100 {
			t.Errorf("%d results of %d pulled", results, pulled.Load())
		}
		time.Sleep(a.hold) // for the server
	})
}

// The account's limit is found, whether it is constant or drops in the middle: nothing is lost.
func TestFleetUnderAnAccountsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{limit: 10, hold: 10 * time.Millisecond}
		client := over(t, inMemory(t, a.ServeHTTP), trusthub.WithMaxConcurrency(128), defaults)
		start, ideal := time.Now(), 3000/10*10*time.Millisecond
		for result := range client.FetchCustomerProfiles(t.Context(), numbered(3000, new(atomic.Int64))) {
			if result.Err != nil {
				t.Error(result.Err)
			}
		}
		throughput := float64(ideal) / float64(time.Since(start))
		refused := float64(a.refused) / float64(a.served+a.refused)
		t.Logf("%.1f%% of the ideal throughput, %.1f%% of the requests refused", 100*throughput, 100*refused)
		if a.served != 3000 || throughput < 0.75 || refused > 0.15 {
			t.Errorf("%d served", a.served)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := &account{limit: 50, hold: 10 * time.Millisecond}
		client := over(t, inMemory(t, a.ServeHTTP), trusthub.WithMaxConcurrency(128), defaults)
		results := 0
		for result := range client.FetchCustomerProfiles(t.Context(), numbered(3000, new(atomic.Int64))) {
			if result.Err != nil {
				t.Error(result.Err)
			}
			if results++; results == 1500 {
				a.mu.Lock()
				a.limit = 5
				a.mu.Unlock()
			}
		}
		refused := float64(a.refused) / float64(a.served+a.refused)
		t.Logf("limit dropped from 50 to 5: %d of 3000 served, %.1f%% of the requests refused", a.served, 100*refused)
		if a.served != 3000 {
			t.Errorf("%d served", a.served)
		}
	})
}

// A panic of the input is raised again where the loop runs, after the results in hand, and can be recovered there.
func TestFleetWhoseInputPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{limit: 100, hold: time.Second}
		client := over(t, inMemory(t, a.ServeHTTP))
		broken := errors.New("broken input")
		input := func(yield func(string) bool) {
			for range 5 {
				yield(sid)
			}
			panic(broken)
		}
		results := 0
		func() {
			defer func() {
				if value, _ := recover().(error); !errors.Is(value, broken) {
					t.Errorf("recovered %v", value)
				}
			}()
			for range client.FetchCustomerProfiles(t.Context(), input) {
				results++
			}
			t.Error("the loop ended without a panic")
		}()
		if results != 5 {
			t.Errorf("%d results", results)
		}
		for range client.FetchCustomerProfiles(t.Context(), input) {
			break
		}
		time.Sleep(time.Minute) // dropped after break
	})
}

// Each result tells its place in the input and what came over HTTP.
func TestFleetResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := over(t, inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, unknownSID) {
				answer(404, jsonType, `{"code":20404}`)(w, r)
				return
			}
			answer(200, jsonType, acme)(w, r)
		}))
		sids := []string{sid, unknownSID, "malformed", sid}
		statuses := []int{200, 404, 0, 200}
		seen := make([]bool, len(sids))
		for result := range client.FetchCustomerProfiles(t.Context(), slices.Values(sids)) {
			i := result.Index
			if seen[i] || result.SID != sids[i] || result.Response.StatusCode != statuses[i] || statuses[i] != 0 && (result.Response.RequestID != "RQ1" || result.Response.Attempts != 1) {
				t.Errorf("%d: got %v", i, result)
			}
			seen[i] = true
		}
		if slices.Contains(seen, false) {
			t.Errorf("seen %v", seen)
		}
	})
}

// A SID that comes while the last ones are finished, after the loop has been told to end, still yields its result.
func TestFleetLosesNoLateSID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := over(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			time.Sleep(2 * time.Second) // a transport that is slow to notice
			return nil, context.Cause(req.Context())
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		results := 0
		for range client.FetchCustomerProfiles(ctx, func(yield func(string) bool) {
			yield(sid)
			time.Sleep(2 * time.Second)
			yield(unknownSID)
		}) {
			results++
		}
		if results != 2 {
			t.Errorf("%d results", results)
		}
	})
}

// Programs that share an account share its slots, also when they outnumber them, and none loses a profile.
func TestFleetsShareAnAccount(t *testing.T) {
	for _, test := range []struct {
		clients, slots int
		refusals       float64 // a profile, the start included
	}{{8, 16, 0.1}, {8, 4, 0.45}, {16, 4, 0.7}, {32, 4, 1.1}} {
		t.Run(fmt.Sprint(test.clients, " on ", test.slots), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &account{limit: test.slots, hold: 100 * time.Millisecond}
				transport := roundTripFunc(func(req *http.Request) (*http.Response, error) {
					time.Sleep(20*time.Millisecond + rand.N(10*time.Millisecond))
					defer time.Sleep(20 * time.Millisecond)
					return handled(a.ServeHTTP)(req)
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var all sync.WaitGroup
				for range test.clients {
					client := over(t, transport, trusthub.WithMaxConcurrency(128), defaults)
					all.Go(func() {
						for result := range client.FetchCustomerProfiles(ctx, numbered(1_000_000, new(atomic.Int64))) {
							if result.Err != nil && ctx.Err() == nil {
								t.Error(result.Err)
							}
						}
					})
				}
				all.Wait()
				time.Sleep(time.Second) // for the server
				refusals := float64(a.refused) / float64(a.served)
				used := float64(a.served) * a.hold.Seconds() / float64(test.slots) / 60
				t.Logf("%.3f refusals a profile, %.2f of the slots used", refusals, used)
				if refusals > test.refusals || used < 0.5 {
					t.Errorf("%d served, %d refused", a.served, a.refused)
				}
			})
		})
	}
}

// A transport that ends its goroutine, as a mock that calls t.Fatal does, costs one result and not the loop.
func TestGoexitInATransport(t *testing.T) { // in real time: a bubble would end the whole test binary
	server := newScene(0, func(_ time.Duration, sid string) roundTripFunc {
		if number(sid) == 3 {
			runtime.Goexit()
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	left := make(chan struct{})
	client := over(t, server)
	go func() {
		defer close(left)
		for range client.FetchCustomerProfiles(ctx, numbered(10, new(atomic.Int64))) {
			continue
		}
	}()
	select {
	case <-left:
	case <-time.After(2 * time.Second):
		t.Fatal("the loop still waits, long after the end of ctx")
	}
}
