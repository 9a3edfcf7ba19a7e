package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// scenario is a batch against a failing API, with the expected results. In every scenario, no good
// profile is lost, every bad SID has its own error, and no error is ErrOutage.
type scenario struct {
	name   string
	bound  int           // WithMaxConcurrency; 0: not set
	slots  int           // limit of the account, for the bound; 0: not limited
	every  time.Duration // interval of the input
	bad    []bool        // SIDs of the input, in order; true: always fails
	fault  fault         // fault of bad SIDs
	outage span
	rules  []rule // further faults
	opts   []trusthub.BatchOption

	cell     string        // cell of the table
	attempts int           // minimum attempts of a bad SID
	failed   float64       // maximum share of good SIDs that fail
	ratio    float64       // maximum ratio of the time to the bound; 0: not checked
	within   time.Duration // maximum time; 0: not checked
	during   int           // maximum requests in the outage; 0: not checked
	back     time.Duration // maximum time to the first success after the outage; 0: not checked
	open     bool          // not checked: its faults look like an outage
}

// tally is the result of a scenario.
type tally struct {
	lost    int // good SIDs without a profile
	notOwn  int // bad SIDs without their own error
	outages int // results that are ErrOutage
	sent    int // requests
	during  int // requests in the outage
	took    time.Duration
	back    time.Duration // from the end of the outage to the first success
}

func (s scenario) run(t *testing.T, seed, stream uint64) (o tally) {
	synctest.Test(t, func(t *testing.T) {
		w, client := s.world(t, seed, stream)
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(240*time.Hour, cancel).Stop()
		for _, bad := range s.bad {
			if bad {
				o.notOwn++
			} else {
				o.lost++
			}
		}
		for result := range client.FetchCustomerProfiles(ctx, s.input, s.opts...) {
			switch bad := s.bad[result.Index]; {
			case !bad && result.Err == nil:
				o.lost--
			case errors.Is(result.Err, trusthub.ErrOutage):
				o.outages++
			case bad && s.owns(result):
				o.notOwn--
			}
		}
		o.took = time.Since(w.start)
		w.mu.Lock()
		defer w.mu.Unlock()
		o.sent, o.during, o.back = w.sent, w.during, w.back-w.outage.to
	})
	return o
}

// world returns the API and a client.
func (s scenario) world(t *testing.T, seed, stream uint64) (*world, *trusthub.Client) {
	// The random values are independent of those that chose the bad SIDs.
	w := &world{outage: s.outage, start: time.Now(), random: rand.New(rand.NewPCG(seed, ^stream))}
	w.rules = append(append(w.rules, s.rules...), always(s.bad, s.fault))
	opts := []trusthub.Option{apitest.Defaults()}
	if s.bound > 0 {
		opts = append(opts, trusthub.WithMaxConcurrency(s.bound))
	}
	return w, apitest.Over(t, w, opts...)
}

func (s scenario) input(yield func(string) bool) {
	for i := range s.bad {
		if i > 0 {
			time.Sleep(s.every)
		}
		if !yield(apitest.NumberedSID(i)) {
			return
		}
	}
}

// owns reports whether a bad SID ended with its own error, after all attempts.
func (s scenario) owns(r trusthub.FetchResult) bool {
	if r.Response.Attempts < max(s.attempts, attempts) {
		return false
	}
	if s.fault.status == 0 {
		return errors.Is(r.Err, context.DeadlineExceeded)
	}
	e, ok := errors.AsType[*trusthub.Error](r.Err)
	return ok && e.StatusCode == s.fault.status
}

// The constants are the defaults of the client.
const (
	attempts    = 3
	concurrency = 16
	timeout     = 30 * time.Second
	maxWait     = 10 * time.Second
)

// bounds returns two times to compare with the time of a batch. bound is the longest of
//
//   - the time of all requests, three for a bad SID, divided by the maximum in flight,
//   - the waits of all bad SIDs, divided by the maximum SIDs in progress: two for each request in
//     flight, and 256,
//   - the time of the input,
//
// plus the requests and waits of one bad SID, and the outage. All times are averages. A good
// schedule overlaps the parts of this sum. least is a lower limit for every schedule: the last bad
// SID of the input starts when all earlier SIDs were sent, one wait passes during the outage, and
// the input continues in it.
func (s scenario) bounds() (bound, least time.Duration) {
	places := time.Duration(cmp.Or(s.bound, concurrency))
	inFlight := time.Duration(cmp.Or(s.slots, int(places)))
	takes, waits := responseTime, 900*ms // waits of 300 and 600 ms
	if s.fault.status == 0 {
		takes = timeout
	}
	if s.fault.retryAfter > 0 {
		waits = 2 * time.Duration(s.fault.retryAfter) * time.Second
	}
	chain := attempts*takes + waits
	outage := s.outage.to - s.outage.from
	input := time.Duration(len(s.bad)-1) * s.every
	var good, bad, last, lastPulled time.Duration
	for i, isBad := range s.bad {
		if !isBad {
			good++
			continue
		}
		last = (good*responseTime+bad*takes)/inFlight + chain
		lastPulled = time.Duration(i)*s.every + chain
		bad++
	}
	work := max((good*responseTime+bad*attempts*takes)/inFlight, bad*waits/(2*places+256))
	bound = max(work, input) + outage
	if bad > 0 {
		bound += chain
	}
	return bound, max(max(work, last)+max(outage-waits/2, 0), input, lastPulled)
}

func (s scenario) timeRatio(o tally) float64 {
	bound, _ := s.bounds()
	return float64(o.took) / float64(bound)
}

func (s scenario) check(t *testing.T, o tally) {
	t.Helper()
	if s.open {
		return
	}
	if o.lost > int(s.failed*float64(len(s.bad))) || o.notOwn > 0 || o.outages > 0 {
		t.Errorf("%d good lost, %d bad without their own error, %d ErrOutage", o.lost, o.notOwn, o.outages)
	}
	if ratio := s.timeRatio(o); s.ratio > 0 && ratio > s.ratio {
		t.Errorf("took %v, %.2f times the bound; want at most %.2f", o.took, ratio, s.ratio)
	}
	if s.within > 0 && o.took > s.within {
		t.Errorf("took %v, want at most %v", o.took, s.within)
	}
	if s.during > 0 && o.during > s.during {
		t.Errorf("%d requests in the outage, want at most %d", o.during, s.during)
	}
	if s.back > 0 && (o.back <= 0 || o.back > s.back) {
		t.Errorf("the first success came %v after the outage, want at most %v", o.back, s.back)
	}
}

// row returns a row of the Markdown table.
func (s scenario) row(o tally) string {
	bound, least := s.bounds()
	back := ""
	if s.outage.to > 0 {
		back = fmt.Sprintf("%.1f", o.back.Seconds())
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %s | %.1f | %.1f | %.1f | %.2f |\n", s.name, o.lost, o.notOwn, o.outages, o.sent, o.during,
		back, o.took.Seconds(), least.Seconds(), bound.Seconds(), s.timeRatio(o))
}

const head = "| batch | good lost | not its own error | ErrOutage | requests | in the outage | first success after it, s | took, s | least, s | bound, s | ratio |\n" +
	"|--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
