package trackers_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const publicURL = "https://app.example.com"

// account returns a fake with profiles, a limit of 20 concurrent requests and a delay of 50 ms.
func account(profiles int) *trusthubtest.Handler {
	fake := trusthubtest.NewHandler()
	for i := range profiles {
		fake.Put(trusthub.CustomerProfile{SID: apitest.NumberedSID(i), Status: trusthub.StatusInReview})
	}
	fake.LimitConcurrency(20)
	fake.Delay(50 * time.Millisecond)
	return fake
}

func numbered(n int) func() iter.Seq[string] {
	return func() iter.Seq[string] { return apitest.Every(0, n) }
}

// callBack sends a signed callback to a handler and returns the status.
func callBack(handler http.Handler, sid string, status trusthub.CustomerProfileStatus) (code int) {
	url := publicURL + "/" + sid
	r := httptest.NewRequest(http.MethodPost, url, strings.NewReader("Status="+string(status)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	trusthubtest.SignCallback(r, url)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Code
}

func newTracker(t testing.TB, transport http.RoundTripper, cfg trusthub.TrackerConfig, opts ...trusthub.Option) (*trusthub.Tracker, http.Handler) {
	t.Helper()
	tracker, err := apitest.Over(t, transport, append([]trusthub.Option{apitest.Defaults()}, opts...)...).NewTracker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := tracker.CallbackHandler(trusthub.CallbackConfig{
		PublicURL: publicURL, Keys: []trusthub.SigningKey{trusthub.AuthToken(trusthubtest.Password)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tracker, handler
}

// The first sweep of 2,000 profiles takes at most 1.3 times the ideal and loses none. Meanwhile, a
// callback is handled within two round trips, or three while the number of requests in flight is
// adapted: in the first 200 ms, and where Concurrency is more than Twilio takes. The first 429 of
// its own request adds this request and a pause of up to 1.5 round trips. After the second, the
// call waits on its own for 200 to 400 ms, and goes to the back of the queue.
func TestTrackerFirstSweep(t *testing.T) {
	const profiles, ideal = 2000, 2000 * 50 * time.Millisecond / 20
	for name, test := range map[string]struct {
		concurrency int
		options     []trusthub.Option
	}{
		"default": {}, "20": {20, nil}, "32": {32, nil}, "bound of the client": {32, []trusthub.Option{trusthub.WithMaxConcurrency(32)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, start := account(profiles), time.Now()
				transport, throttled := countThrottled(fake)
				tracker, handler := newTracker(t, transport, trusthub.TrackerConfig{SIDs: numbered(profiles), Concurrency: test.concurrency}, test.options...)
				ctx, cancel := context.WithCancel(t.Context())
				var mu sync.Mutex
				called, took := make(map[string]time.Time), make(map[string]time.Duration)
				handled := make(map[string]int)
				go func() {
					_ = tracker.Run(ctx, func(_ context.Context, change trusthub.Change) error {
						mu.Lock()
						defer mu.Unlock()
						handled[change.SID]++
						if at, ok := called[change.SID]; ok && change.After.Status == trusthub.StatusTwilioApproved {
							took[change.SID] = time.Since(at)
						}
						return nil
					})
				}()
				// The callbacks are for SIDs before, at and after the position of the sweep.
				for i := 0; time.Since(start) < ideal/2; i++ {
					time.Sleep(117 * time.Millisecond)
					sid := apitest.NumberedSID(i * 97 % profiles)
					fake.Put(trusthub.CustomerProfile{SID: sid, Status: trusthub.StatusTwilioApproved})
					mu.Lock()
					called[sid] = time.Now()
					mu.Unlock()
					if status := callBack(handler, sid, trusthub.StatusTwilioApproved); status != http.StatusNoContent {
						t.Errorf("status %d", status)
					}
				}
				for (tracker.Stats().LastSweep.IsZero() || tracker.Stats().Pending > 0) && time.Since(start) < time.Minute {
					time.Sleep(time.Millisecond)
				}
				stats := tracker.Stats()
				cancel()
				synctest.Wait()
				slowest := time.Duration(0)
				for sid, d := range took {
					slowest = max(slowest, d)
					most := []float64{2, 4.5, 20}[min(throttled(sid), 2)]
					if fake.Refused() > 0 || called[sid].Sub(start) < 200*time.Millisecond {
						most++
					}
					if d.Seconds()/0.05 > most {
						t.Errorf("a callback took %v, with %d times 429", d, throttled(sid))
					}
				}
				t.Logf("%v, %.2f times the ideal; %d callbacks, the slowest after %v; %d times 429",
					stats.SweepTime, stats.SweepTime.Seconds()/ideal.Seconds(), len(took), slowest, fake.Refused())
				if stats.SweepTime > ideal*13/10 {
					t.Errorf("the sweep took %v", stats.SweepTime)
				}
				if len(handled) != profiles || len(took) != len(called) {
					t.Errorf("%d profiles handled, %d callbacks of %d", len(handled), len(took), len(called))
				}
			})
		})
	}
}

// A poll goes before the SIDs of the sweep that wait for the client's bound. Before it are only the
// request in flight, and the one that got its slot.
func TestTrackerPollGoesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last, polled := apitest.NumberedSID(999), time.Time{}
		tracker, _ := newTracker(t, account(1000), trusthub.TrackerConfig{SIDs: numbered(1000)}, trusthub.WithMaxConcurrency(1))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			_ = tracker.Run(ctx, func(_ context.Context, change trusthub.Change) error {
				if change.SID == last {
					polled = time.Now()
				}
				return nil
			})
		})
		time.Sleep(1010 * time.Millisecond)
		start := time.Now()
		if err := tracker.Poll(last); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		cancel()
		running.Wait()
		if took := polled.Sub(start); took < 0 || took > 150*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// countThrottled counts the responses 429 of each SID.
func countThrottled(next http.RoundTripper) (transport http.RoundTripper, count func(sid string) int) {
	var mu sync.Mutex
	counts := make(map[string]int)
	transport = apitest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && response.StatusCode == http.StatusTooManyRequests {
			mu.Lock()
			defer mu.Unlock()
			counts[path.Base(r.URL.Path)]++
		}
		return response, err
	})
	return transport, func(sid string) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[sid]
	}
}

var trackedProfiles = flag.Int("tracked-profiles", 20_000, "profiles that TestTrackerMemory tracks")

// A tracked SID takes at most 2 KiB of memory. While its change waits, it takes at most 3 KiB,
// because two states are kept. To run it with more profiles:
//
//	go test ./internal/e2e/trackers -run TestTrackerMemory -tracked-profiles 100000 -v
func TestTrackerMemory(t *testing.T) {
	for name, test := range map[string]struct {
		known  *trusthub.CustomerProfile
		handle error
		most   int
	}{
		"handled": {nil, nil, 2 << 10},
		"waiting": {tracked("draft"), errors.New("the database is down"), 3 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			profiles := *trackedProfiles
			tracker, _ := newTracker(t, apitest.CannedJSON(trackedBody("in-review")), trusthub.TrackerConfig{
				SIDs:  numbered(profiles),
				Known: func(context.Context, string) (*trusthub.CustomerProfile, error) { return test.known, nil },
			})
			before := heap()
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() {
				_ = tracker.Run(ctx, func(context.Context, trusthub.Change) error { return test.handle })
			})
			waiting := 0
			if test.handle != nil {
				waiting = profiles
			}
			for tracker.Stats().LastSweep.IsZero() || tracker.Stats().Pending != waiting {
				time.Sleep(10 * time.Millisecond)
			}
			each := (heap() - before) / profiles
			t.Logf("%d bytes a SID, of which %d are the profile", each, len(trackedBody("in-review")))
			if each > test.most {
				t.Errorf("%d bytes a SID", each)
			}
			cancel()
			running.Wait()
			runtime.KeepAlive(tracker)
		})
	}
}

// tracked returns a profile with all properties.
func tracked(status string) *trusthub.CustomerProfile {
	profile := new(trusthub.CustomerProfile)
	if err := json.Unmarshal([]byte(trackedBody(status)), profile); err != nil {
		panic(err)
	}
	return profile
}

func trackedBody(status string) string {
	const url = "https://trusthub.twilio.com/v1/CustomerProfiles/" + apitest.SID
	return fmt.Sprintf(`{"sid":null,"account_sid":"AC%032d","policy_sid":"RN%032d","friendly_name":"Acme, Inc.","status":%q,`+
		`"email":"compliance@acme.example","status_callback":"https://app.example.com/trusthub/%s","date_created":"2026-01-01T00:00:00Z",`+
		`"date_updated":"2026-01-01T00:00:00Z","url":%q,"links":{"customer_profiles_entity_assignments":"%s/EntityAssignments",`+
		`"customer_profiles_evaluations":"%s/Evaluations","customer_profiles_channel_endpoint_assignment":"%s/ChannelEndpointAssignments"},`+
		`"errors":[{"code":18601}]}`, 1, 2, status, apitest.SID, url, url, url, url)
}

func heap() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc) //nolint:gosec // G115: it is less
}
