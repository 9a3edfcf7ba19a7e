package e2e_test

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
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func TestBatchYieldsEachSIDOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sids := []string{sid, "malformed", apitest.UnknownSID, sid, "", apitest.EmptySID}
		client := apitest.Over(t, apitest.InMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, apitest.UnknownSID) {
				apitest.Answer(404, apitest.JSON, `{"code":20404}`)(w, r)
				return
			}
			apitest.Answer(200, apitest.JSON, `{"sid":"`+r.URL.Path[len("/v1/CustomerProfiles/"):]+`"}`)(w, r)
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
			case apitest.UnknownSID:
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

func TestBatchBounds(t *testing.T) {
	client := func(n int) []trusthub.Option { return []trusthub.Option{trusthub.WithMaxConcurrency(n)} }
	batch := func(n int) []trusthub.BatchOption { return []trusthub.BatchOption{trusthub.WithBatchConcurrency(n)} }
	for name, test := range map[string]struct {
		opts  []trusthub.Option
		batch []trusthub.BatchOption
		bound int
	}{
		"of its own":                    {nil, nil, 16},
		"given":                         {nil, batch(20), 20},
		"of the client":                 {client(3), nil, 3},
		"given, less than the client's": {client(64), batch(20), 20},
		"given, more than the client's": {client(18), batch(64), 18},
		"huge":                          {client(math.MaxInt), nil, 1 << 15},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := apitest.NewAccount(1<<20, time.Second)
				client := apitest.Over(t, apitest.InMemory(t, a.ServeHTTP), test.opts...)
				for result := range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(200, new(atomic.Int64)), test.batch...) {
					if result.Err != nil {
						t.Error(result.Err)
					}
				}
				if want := min(test.bound, 200); a.Stats().Highest > want || a.Stats().Highest < min(want, 16) || a.Stats().Served != 200 {
					t.Errorf("%d in flight, want %d; %d served", a.Stats().Highest, want, a.Stats().Served)
				}
			})
		})
	}
}

// An invalid batch pulls nothing. The error names the option.
func TestInvalidBatch(t *testing.T) {
	none := func(func(string) bool) { t.Error("a SID was pulled") }
	for name, test := range map[string]struct {
		sids iter.Seq[string]
		opt  trusthub.BatchOption
		want string
	}{
		"WithBatchConcurrency": {none, trusthub.WithBatchConcurrency(0), "trusthub: WithBatchConcurrency: 0 is not from 1 to 32768"},
		"WithMaxOutage":        {none, trusthub.WithMaxOutage(-1), "trusthub: WithMaxOutage: -1ns is negative"},
		"BatchOption":          {none, nil, "trusthub: BatchOption: it is nil"},
		"":                     {nil, trusthub.WithMaxOutage(0), "trusthub: FetchCustomerProfiles: sids is nil"},
	} {
		var results []trusthub.FetchResult
		for result := range apitest.Over(t, apitest.OK()).FetchCustomerProfiles(t.Context(), test.sids, test.opt) {
			results = append(results, result)
		}
		if len(results) != 1 || results[0].Index != -1 || results[0].Err == nil || results[0].Err.Error() != test.want {
			t.Errorf("%s: got %v", name, results)
			continue
		}
		if option, ok := errors.AsType[*trusthub.OptionError](results[0].Err); ok != (name != "") || ok && option.Option != name {
			t.Errorf("%s: got %+v", name, option)
		}
	}
}

// A slow loop body delays the input, so memory is bounded.
func TestBatchPullsLazily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := apitest.Over(t, apitest.InMemory(t, apitest.Answer(200, apitest.JSON, apitest.Profile)))
		var pulled atomic.Int64
		results := 0
		for range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(1000, &pulled)) {
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

// Many SIDs need no more memory than a few.
func TestBatchRunsInConstantMemory(t *testing.T) {
	client := apitest.Over(t, apitest.OK())
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	const many = 200_000
	var early, results uint64
	for range client.FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
		for i := range many {
			candidate := "malformed" // sends no request
			if i%100 == 0 {
				candidate = sid
			}
			if !yield(candidate) {
				return
			}
		}
	}) {
		if results++; results == many/4 { // goroutines and buffers are allocated by then
			early = heap()
		}
		if results%(many/4) == 0 {
			if now := heap(); now > early+2<<20 {
				t.Errorf("%d bytes after %d results, %d early on", now, results, early)
			}
		}
	}
	if results != many {
		t.Errorf("%d results", results)
	}
}

// A loop body may hand a new SID to sids for each result, and wait until sids has it.
func TestBatchFedByItsLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const first, fed = 8, 1000
		more := make(chan string)
		results := 0
		for result := range apitest.Over(t, apitest.OK()).FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
			for i := range first {
				if !yield(apitest.NumberedSID(i)) {
					return
				}
			}
			for next := range more {
				if !yield(next) {
					return
				}
			}
		}, trusthub.WithBatchConcurrency(1)) {
			if results++; result.Err != nil {
				t.Error(result.Err)
			}
			if results <= fed {
				more <- sid
			}
			if results == fed {
				close(more)
			}
		}
		if results != first+fed {
			t.Errorf("%d results", results)
		}
	})
}

// A break ends the requests in flight. No goroutine is left; synctest would report it.
func TestBatchLeftEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started, ended atomic.Int64
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if started.Add(1) == 1 {
				return apitest.OK()(req)
			}
			<-req.Context().Done()
			ended.Add(1)
			return nil, req.Context().Err()
		}))
		start := time.Now()
		for range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(100, new(atomic.Int64))) {
			synctest.Wait()
			break
		}
		synctest.Wait()
		if started.Load() < 2 || ended.Load() != started.Load()-1 || time.Since(start) != 0 {
			t.Errorf("%d started, %d ended, after %v", started.Load(), ended.Load(), time.Since(start))
		}
	})
}

// When the context ends, requests in flight yield its error. No more SIDs are pulled, and the loop
// does not wait for a pull in progress.
func TestBatchContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
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
		for result := range apitest.Over(t, hang).FetchCustomerProfiles(ctx, func(yield func(string) bool) {
			for sid := range pipe { // blocks after three SIDs
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
		pipe <- sid // lets the pull and its goroutine end

		ended, end := context.WithCancel(t.Context())
		end()
		for result := range apitest.Over(t, hang).FetchCustomerProfiles(ended, apitest.Numbered(3, new(atomic.Int64))) {
			t.Errorf("got %v of an ended context", result)
		}
	})
}

// A batch adapts to the limit of the account, also when the limit drops. It loses no profile.
func TestBatchUnderAnAccountsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := apitest.NewAccount(10, 10*time.Millisecond)
		client := apitest.Over(t, apitest.InMemory(t, a.ServeHTTP), trusthub.WithMaxConcurrency(128), apitest.Defaults())
		start, ideal := time.Now(), 3000/10*10*time.Millisecond
		for result := range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(3000, new(atomic.Int64))) {
			if result.Err != nil {
				t.Error(result.Err)
			}
		}
		throughput := float64(ideal) / float64(time.Since(start))
		refused := a.Stats().ThrottledShare()
		t.Logf("%.1f%% of the ideal throughput, %.1f%% of the requests throttled", 100*throughput, 100*refused)
		if a.Stats().Served != 3000 || throughput < 0.75 || refused > 0.15 {
			t.Errorf("%d served", a.Stats().Served)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := apitest.NewAccount(50, 10*time.Millisecond)
		client := apitest.Over(t, apitest.InMemory(t, a.ServeHTTP), trusthub.WithMaxConcurrency(128), apitest.Defaults())
		results := 0
		for result := range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(3000, new(atomic.Int64))) {
			if result.Err != nil {
				t.Error(result.Err)
			}
			if results++; results == 1500 {
				a.SetLimit(5)
			}
		}
		refused := a.Stats().ThrottledShare()
		t.Logf("limit dropped from 50 to 5: %d of 3000 served, %.1f%% of the requests throttled", a.Stats().Served, 100*refused)
		if a.Stats().Served != 3000 {
			t.Errorf("%d served", a.Stats().Served)
		}
	})
}

// A panic of the input is raised in the goroutine of the loop, after the other results. It can be
// recovered there.
func TestBatchWhoseInputPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := apitest.NewAccount(100, time.Second)
		client := apitest.Over(t, apitest.InMemory(t, a.ServeHTTP))
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
		time.Sleep(time.Minute) // time for the goroutines to end after break
	})
}

// A panic of middleware is raised in the goroutine of the loop, also when the request was a probe.
func TestBatchWhoseProbePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		server := apitest.NewScene(time.Millisecond, func(_ time.Duration, sid string) apitest.RoundTripFunc {
			switch {
			case apitest.Number(sid) == 1:
				return apitest.Unavailable()
			case asked > 0:
				panic("middleware")
			}
			asked++
			return nil
		})
		defer func() {
			if value := recover(); value != "middleware" {
				t.Errorf("recovered %v", value)
			}
		}()
		_ = apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults(), trusthub.WithMaxConcurrency(1)), 2)
		t.Error("the loop ended without a panic")
	})
}

// Each result has its index in the input and the HTTP response.
func TestBatchResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := apitest.Over(t, apitest.InMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, apitest.UnknownSID) {
				apitest.Answer(404, apitest.JSON, `{"code":20404}`)(w, r)
				return
			}
			apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
		}))
		sids := []string{sid, apitest.UnknownSID, "malformed", sid}
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

// Programs that share an account share its slots, also with more programs than slots. No profile is
// lost.
func TestBatchesShareAnAccount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		clients, slots int
		refusals       float64 // per profile, including the start
	}{{8, 16, 0.1}, {8, 4, 0.45}, {16, 4, 0.7}, {32, 4, 1.1}} {
		t.Run(fmt.Sprint(test.clients, " on ", test.slots), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := apitest.NewAccount(test.slots, 100*time.Millisecond)
				transport := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					time.Sleep(20*time.Millisecond + rand.N(10*time.Millisecond))
					defer time.Sleep(20 * time.Millisecond)
					return apitest.Handled(a.ServeHTTP)(req)
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var all sync.WaitGroup
				for range test.clients {
					client := apitest.Over(t, transport, trusthub.WithMaxConcurrency(128), apitest.Defaults())
					all.Go(func() {
						for result := range client.FetchCustomerProfiles(ctx, apitest.Numbered(1_000_000, new(atomic.Int64))) {
							if result.Err != nil && ctx.Err() == nil {
								t.Error(result.Err)
							}
						}
					})
				}
				all.Wait()
				time.Sleep(time.Second) // time for the server
				refusals := float64(a.Stats().Throttled) / float64(a.Stats().Served)
				used := float64(a.Stats().Served) * 0.1 / float64(test.slots) / 60
				t.Logf("%.3f 429s a profile, %.2f of the slots used", refusals, used)
				if refusals > test.refusals || used < 0.5 {
					t.Errorf("%d served, %d throttled", a.Stats().Served, a.Stats().Throttled)
				}
			})
		})
	}
}

// When a transport ends its goroutine, like a mock that calls t.Fatal, the loop still ends. The
// test runs in real time, because Goexit ends a synctest bubble.
func TestGoexitInATransport(t *testing.T) {
	server := apitest.NewScene(0, func(_ time.Duration, sid string) apitest.RoundTripFunc {
		if apitest.Number(sid) == 3 {
			runtime.Goexit()
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	left := make(chan struct{})
	client := apitest.Over(t, server)
	go func() {
		defer close(left)
		for range client.FetchCustomerProfiles(ctx, apitest.Numbered(10, new(atomic.Int64))) {
			continue
		}
	}()
	select {
	case <-left:
	case <-time.After(2 * time.Second):
		t.Fatal("the loop still waits, long after the end of ctx")
	}
}

// SentAt is the time of the last request, and zero if no request was sent.
func TestSentAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		client := apitest.Over(t, apitest.NewScene(time.Second, func(after time.Duration, sid string) apitest.RoundTripFunc {
			if after < time.Minute && sid == apitest.NumberedSID(1) {
				return apitest.Unavailable()
			}
			return nil
		}), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 9, MinWait: time.Minute, MaxWait: time.Hour}))
		sids := []string{apitest.NumberedSID(0), apitest.NumberedSID(1), "BU"}
		for result := range client.FetchCustomerProfiles(t.Context(), slices.Values(sids)) {
			switch after := result.SentAt.Sub(start); {
			case result.Index == 0 && after == 0, result.Index == 1 && after >= time.Minute, result.Index == 2 && result.SentAt.IsZero():
			default:
				t.Errorf("%d: sent after %v, %v", result.Index, after, result.Err)
			}
		}
	})
}
