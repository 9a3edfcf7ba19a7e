// Package torture tests the client and the fake over a proxy that damages connections.
//
//	make torture
//
// The variable TORTURE sets the duration (default 2s). SEED repeats a run.
package torture

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/freeze"
	"github.com/seed07fc1495/trusthub/lab/answers"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const (
	profiles = 64
	callers  = 16
	deadline = 2 * time.Second
	grace    = time.Second // for slow machines
)

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy logs to the global logger
	os.Exit(m.Run())
}

func duration(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(os.Getenv("TORTURE"))
	if err != nil {
		return 2 * time.Second
	}
	return d
}

func seed(t *testing.T) uint64 {
	t.Helper()
	if s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		return s
	}
	return rand.Uint64()
}

func sid(i int) string { return fmt.Sprintf("BU%032x", i) }

// With random faults, a call ends within its deadline with the exact profile or a documented error.
// It leaves no goroutine and no file.
func TestTorture(t *testing.T) {
	s := seed(t)
	t.Logf("SEED=%d", s)
	for name, start := range map[string]func(*testing.T, *rand.Rand, http.Handler) *world{
		"HTTP/1.1 with bad connections": newBadConnections,
		"HTTP/2 with GOAWAY":            newGoAway,
	} {
		t.Run(name, func(t *testing.T) {
			before := resources()
			func() {
				random := rand.New(rand.NewPCG(s, 0)) //nolint:gosec // G404: the same again from the same seed
				fake := trusthubtest.NewHandler()
				for i := range profiles {
					fake.Put(trusthub.CustomerProfile{SID: sid(i), FriendlyName: name + sid(i), Status: trusthub.StatusInReview})
				}
				world := start(t, random, fake)
				defer world.stop()
				torment(t, random, world, fake, name)
			}()
			if after := settle(before); after.exceed(before) {
				t.Errorf("left behind: %+v, %+v before", after, before)
			}
		})
	}
}

// world is a server and its connection to the client.
type world struct {
	baseURL string
	roots   *x509.CertPool // nil: no TLS
	harm    func() string  // damages the connection and returns the kind of damage
	heal    func()
	stop    func()
}

// newClient returns a client with its own transport, and the line of its connections.
func newClient(t *testing.T, world *world, opts ...trusthub.Option) (*trusthub.Client, *freeze.Line) {
	t.Helper()
	line := new(freeze.Line)
	into := func(next http.RoundTripper) http.RoundTripper {
		own := next.(*http.Transport)
		own.DialContext = line.Over(own.DialContext)
		own.TLSClientConfig.RootCAs = world.roots
		return own
	}
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		append(opts, trusthub.WithBaseURL(world.baseURL), trusthub.WithMiddleware(into))...)
	if err != nil {
		t.Fatal(err)
	}
	return client, line
}

func torment(t *testing.T, random *rand.Rand, world *world, fake *trusthubtest.Handler, name string) {
	client, line := newClient(t, world, trusthub.WithMaxConcurrency(callers), trusthub.WithTimeout(deadline/2),
		trusthub.WithRetry(trusthub.RetryPolicy{MinWait: 5 * time.Millisecond, MaxWait: 200 * time.Millisecond}))
	defer client.CloseIdleConnections()
	outcomes := newCounter()
	ctx, end := context.WithTimeout(t.Context(), duration(t))
	defer end()
	var all sync.WaitGroup
	var calls atomic.Int64
	for range callers {
		all.Go(func() {
			for ctx.Err() == nil {
				outcomes.add(fetchOne(t, client, int(calls.Add(1))%profiles, name))
			}
		})
	}
	all.Go(func() {
		for ctx.Err() == nil {
			fetchAll(ctx, t, client, outcomes, name)
		}
	})
	faults := newCounter()
	for ctx.Err() == nil {
		lasts := time.Duration(10+random.IntN(90)) * time.Millisecond
		switch random.IntN(10) {
		case 0:
			line.Freeze()
			faults.add("freeze")
		case 1:
			fake.LimitConcurrency(1 + random.IntN(callers)) // until the next change
			faults.add("account limit")
		case 2:
			fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) { return trusthubtest.Fault{Status: 503}, true })
			faults.add("outage")
			lasts *= 10
		case 3, 4, 5:
			faults.add(world.harm())
		default:
			faults.add(failServer(random, fake))
		}
		select {
		case <-time.After(lasts):
		case <-ctx.Done():
		}
		fake.FailFunc(nil)
		world.heal()
	}
	fake.LimitConcurrency(0)
	all.Wait()
	t.Logf("%d single calls\nfaults: %v\noutcomes: %v", calls.Load(), faults, outcomes)
	expectRecovery(t, client, name)
}

// fetchAll fetches all profiles in a batch, which must lose none unless ctx ends.
func fetchAll(ctx context.Context, t *testing.T, client *trusthub.Client, outcomes *counter, name string) {
	var results [profiles]int
	for result := range client.FetchCustomerProfiles(ctx, func(yield func(string) bool) {
		for i := range profiles {
			if !yield(sid(i)) {
				return
			}
		}
	}) {
		results[result.Index]++
		outcomes.add("batch: " + outcomeOf(ctx, t, result.Index, result.Profile, result.Err, name))
	}
	if ctx.Err() != nil {
		return
	}
	for i, n := range results {
		if n != 1 {
			t.Errorf("%d results for %s", n, sid(i))
		}
	}
}

// expectRecovery checks that calls succeed after the last queued fault.
func expectRecovery(t *testing.T, client *trusthub.Client, name string) {
	t.Helper()
	const left = 2 * callers * 20 // more than the faults that can be queued
	for i := range left {
		if fetchOne(t, client, i%profiles, name) == "profile" {
			t.Logf("recovered after %d calls", i)
			return
		}
	}
	t.Errorf("none of %d calls succeeded after the faults", left)
}

// fetchOne makes a call, checks its duration and returns its outcome.
func fetchOne(t *testing.T, client *trusthub.Client, i int, name string) string {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	start := time.Now()
	profile, err := client.FetchCustomerProfile(ctx, sid(i))
	if took := time.Since(start); took > deadline+grace {
		t.Errorf("took %v of %v", took, deadline)
	}
	return outcomeOf(ctx, t, i, profile, err, name)
}

// outcomeOf returns the name of an outcome, and reports a wrong one.
func outcomeOf(ctx context.Context, t *testing.T, i int, profile *trusthub.CustomerProfile, err error, name string) string {
	t.Helper()
	var apiErr *trusthub.Error
	var decodeErr *trusthub.DecodeError
	switch {
	case err == nil && (profile == nil || profile.SID != sid(i) || profile.FriendlyName != name+sid(i) || profile.Status != trusthub.StatusInReview):
		t.Errorf("got %+v in place of %s", profile, sid(i))
		return "wrong"
	case err == nil:
		return "profile"
	case profile != nil || !strings.HasPrefix(err.Error(), "trusthub: ") || len(err.Error()) >= 500:
		t.Errorf("got %v with %v", profile, err)
		return "undocumented"
	case errors.As(err, &apiErr):
		return fmt.Sprint("status ", apiErr.StatusCode)
	case errors.As(err, &decodeErr):
		return "no profile"
	case ctx.Err() != nil:
		return "deadline"
	}
	return "network"
}

// failServer adds one kind of fault for the next requests of the fake.
func failServer(random *rand.Rand, fake *trusthubtest.Handler) string {
	name, fault := "", trusthubtest.Fault{}
	switch random.IntN(9) {
	case 0:
		name, fault = "429 storm", trusthubtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"0"}}}
	case 1:
		name, fault = "503", trusthubtest.Fault{Status: 503, Body: "<html>"}
	case 2:
		name, fault = "truncated", trusthubtest.Fault{Truncate: true}
	case 3:
		name, fault = "broken headers", trusthubtest.Fault{Reset: true}
	case 4:
		name, fault = "another profile", trusthubtest.Fault{Body: `{"sid":"BUffffffffffffffffffffffffffffffff","status":"draft"}`}
	case 5:
		name, fault = "HTML", trusthubtest.Fault{Body: "<html>"}
	case 6:
		name, fault = "slow", trusthubtest.Fault{Delay: time.Duration(random.IntN(1500)) * time.Millisecond}
	case 7:
		name, fault = "101", trusthubtest.Fault{Status: 101}
	case 8:
		name, fault = "redirect", trusthubtest.Fault{Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/"}}}
	}
	n := 1 + random.IntN(2*callers)
	if fault.Status == http.StatusSwitchingProtocols {
		n = 1 // blocks a call until the timeout of the attempt
	}
	for range n {
		fake.Fail(fault)
	}
	return name
}

// Memory does not grow with the number of fetches.
func TestMemoryIsFlat(t *testing.T) {
	fetches := 10_000
	if duration(t) > 30*time.Second {
		fetches = 100_000
	}
	body := answers.Example()
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	world := newPlain(t, handler)
	defer world.stop()
	client, _ := newClient(t, world)
	defer client.CloseIdleConnections()
	var early uint64
	for i := range fetches {
		if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
			t.Fatal(err)
		}
		switch i {
		case fetches / 2: // objects of earlier tests are freed
			early = heap()
		case fetches - 1:
			now := heap()
			t.Logf("%d KiB in use after %d fetches, %d KiB after %d", early>>10, fetches/2, now>>10, fetches)
			if now > early+1<<20 {
				t.Errorf("%d bytes more", now-early)
			}
		}
	}
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // sync.Pool survives the first GC
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// usage has the resources that a call must release.
type usage struct{ goroutines, files int }

func resources() usage {
	files, _ := os.ReadDir("/proc/self/fd")
	return usage{runtime.NumGoroutine(), len(files)}
}

func (u usage) exceed(before usage) bool {
	return u.goroutines > before.goroutines || u.files > before.files
}

// settle waits until connections are closed.
func settle(before usage) (after usage) {
	for range 100 {
		if after = resources(); !after.exceed(before) {
			return after
		}
		time.Sleep(50 * time.Millisecond)
	}
	return after
}

// counter counts by name.
type counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func newCounter() *counter { return &counter{counts: make(map[string]int)} }

func (c *counter) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
}

func (c *counter) String() string { return fmt.Sprint(c.counts) }
