package trackers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

var trackerSeeds = flag.Uint64("tracker-seeds", 50, "random programs that TestTrackerRandom tries")

// A tracker handles random changes correctly, with lost, repeated and late callbacks, outages,
// 429s, crashes, and failing handlers and databases. To run more programs:
//
//	go test ./internal/e2e/trackers -run TestTrackerRandom -tracker-seeds 1000
func TestTrackerRandom(t *testing.T) {
	for seed := range *trackerSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { newProgram(t, seed).live() }) })
	}
}

// program is a program with a tracker and a database, and the current state of its profiles.
type program struct {
	t     *testing.T
	world *apitest.World
	every time.Duration
	width int           // concurrency
	until time.Duration // end of faults and changes
	lost  float64       // share of lost, and of repeated, callbacks
	flaky float64       // share of handlers and queries that fail
	slow  time.Duration // maximum duration of a handler

	mu       sync.Mutex
	rng      *rand.Rand
	truth    []trusthub.CustomerProfile
	gone     []bool                               // the profile is a 404
	answered []*trusthub.CustomerProfile          // last profile in a response
	refused  []bool                               // the last response was a 404
	database map[string]*trusthub.CustomerProfile // by SID
	out      map[string]int                       // requests in flight by SID
	busy     map[string]bool                      // running handlers by SID
	// By SID, in this run of the program, since the last response with a profile.
	failures map[string]string
	polledAt map[string]time.Time
	backAt   map[string]time.Time // last response with a profile
	handler  http.Handler         // of this run; nil: not running
	life     int
	count    struct{ changes, answered, handled, failed, crashes, events, callbacks int }
}

func newProgram(t *testing.T, seed uint64) *program {
	rng := rand.New(rand.NewPCG(seed, 24))
	p := &program{
		t: t, rng: rng, world: apitest.NewWorld(rand.New(rand.NewPCG(seed, 25)), rng.IntN(6), 30*time.Minute, 20*time.Minute),
		every: []time.Duration{time.Minute, 10 * time.Minute, time.Hour}[rng.IntN(3)], width: []int{1, 2, 16}[rng.IntN(3)],
		until: 3 * time.Hour, lost: rng.Float64() / 2, flaky: []float64{0, 0.1, 0.5}[rng.IntN(3)],
		slow:     []time.Duration{0, 100 * time.Millisecond, 20 * time.Second}[rng.IntN(3)],
		database: make(map[string]*trusthub.CustomerProfile), out: make(map[string]int), busy: make(map[string]bool),
		failures: make(map[string]string), polledAt: make(map[string]time.Time), backAt: make(map[string]time.Time),
	}
	if windows := p.world.Windows; len(windows) > 0 {
		p.until = max(p.until, windows[len(windows)-1].To)
	}
	profiles := []int{1, 3, 12, 60}[rng.IntN(4)]
	p.gone, p.refused, p.answered = make([]bool, profiles), make([]bool, profiles), make([]*trusthub.CustomerProfile, profiles)
	for i := range profiles {
		p.truth = append(p.truth, trusthub.CustomerProfile{SID: apitest.NumberedSID(i), Status: trusthub.StatusDraft, FriendlyName: "0"})
	}
	return p
}

func (p *program) chance(share float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.Float64() < share
}

func (p *program) upTo(d time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.rng.Int64N(int64(d) + 1))
}

func (p *program) isFaulty() bool { return p.world.Elapsed() < p.until }

// RoundTrip returns the current profile when the world returns a 200.
func (p *program) RoundTrip(req *http.Request) (*http.Response, error) {
	sid := apitest.SIDOf(req)
	p.mu.Lock()
	// Probes can be sent at the same time.
	if p.out[sid]++; p.out[sid] > 1 && p.world.Windows == nil {
		p.t.Errorf("%d requests for %s at a time", p.out[sid], sid)
	}
	p.mu.Unlock()
	response, err := p.world.RoundTrip(req)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out[sid]--
	if err != nil || response.StatusCode != http.StatusOK || req.Context().Err() != nil {
		return response, err
	}
	var whole bytes.Buffer
	if _, err := io.Copy(&whole, response.Body); err != nil {
		return nil, err // truncated body
	}
	i := apitest.Number(sid)
	p.answer(i)
	if p.gone[i] {
		return apitest.Handled(apitest.Answer(http.StatusNotFound, apitest.JSON, `{"code":20404,"status":404}`))(req)
	}
	body, err := json.Marshal(p.truth[i])
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, err
}

// answer counts the responses that differ from the one before.
func (p *program) answer(i int) {
	truth := p.truth[i]
	switch {
	case p.gone[i] && !p.refused[i], !p.gone[i] && (p.answered[i] == nil || len(trusthub.ChangedFields(p.answered[i], &truth)) > 0):
		p.count.answered++
	}
	if p.refused[i] = p.gone[i]; !p.gone[i] {
		p.answered[i] = &truth
		delete(p.failures, truth.SID)
		p.backAt[truth.SID] = time.Now()
	}
}

// live runs the program, with crashes, until the faults end. It then waits for a whole sweep.
func (p *program) live() {
	var changes sync.WaitGroup
	changes.Go(p.change)
	for p.isFaulty() {
		life := p.upTo(p.until)
		if p.world.Elapsed()+life > p.until {
			break
		}
		p.run(life)
		p.count.crashes++
		time.Sleep(p.upTo(5 * time.Minute))
	}
	p.run(max(p.until-p.world.Elapsed(), 0) + 2*p.every + 30*time.Minute)
	changes.Wait()
	for i, truth := range p.truth {
		if got := p.database[truth.SID]; !p.gone[i] && (got == nil || len(trusthub.ChangedFields(got, &truth)) > 0) {
			p.t.Errorf("%s is %+v, want %+v", truth.SID, got, truth)
		}
	}
	if p.world.Windows == nil && p.flaky == 0 && p.slow == 0 && p.count.crashes == 0 && p.count.handled != p.count.answered {
		p.t.Errorf("%d changes handled, %d were answered", p.count.handled, p.count.answered)
	}
	p.t.Logf("%d profiles, %v: %+v", len(p.truth), p.world, p.count)
}

// run runs the program until it crashes. After that, no handler succeeds.
func (p *program) run(life time.Duration) {
	tracker, handler := newTracker(p.t, p, trusthub.TrackerConfig{SIDs: p.sids, Every: p.every, Known: p.known, Concurrency: p.width})
	ctx, cancel := context.WithTimeout(p.t.Context(), life)
	defer cancel()
	p.mu.Lock()
	p.life++
	number := p.life
	p.handler = handler
	clear(p.failures)
	clear(p.polledAt)
	p.mu.Unlock()
	err := tracker.Run(ctx, func(_ context.Context, change trusthub.Change) error { return p.handle(ctx, number, change) })
	if !errors.Is(err, context.DeadlineExceeded) {
		p.t.Errorf("Run: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler = nil
}

func (p *program) sids() iter.Seq[string] { return apitest.Every(0, len(p.truth)) }

var errFlaky = errors.New("flaky")

func (p *program) known(ctx context.Context, sid string) (*trusthub.CustomerProfile, error) {
	time.Sleep(p.upTo(p.slow))
	if p.isFaulty() && p.chance(p.flaky) {
		return nil, errFlaky
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.database[sid], ctx.Err()
}

func (p *program) handle(ctx context.Context, life int, change trusthub.Change) error {
	p.mu.Lock()
	if p.busy[change.SID] {
		p.t.Errorf("two handlers of %s at a time", change.SID)
	}
	p.busy[change.SID] = true
	if len(p.busy) > p.width {
		p.t.Errorf("%d handlers", len(p.busy))
	}
	p.check(change)
	p.mu.Unlock()
	time.Sleep(p.upTo(p.slow))
	fails := p.isFaulty() && p.chance(p.flaky)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, change.SID)
	if fails || ctx.Err() != nil || life != p.life {
		p.count.failed++
		return errFlaky
	}
	p.count.handled++
	p.polledAt[change.SID] = change.PolledAt
	if change.Err != nil {
		if !p.backAt[change.SID].After(change.PolledAt) { // it is not back since
			p.failures[change.SID] = fmt.Sprint(errors.Is(change.Err, trusthub.ErrNotFound))
		}
		return nil
	}
	delete(p.failures, change.SID)
	p.database[change.SID] = change.After
	if change.Event != nil {
		p.count.events++
	}
	return nil
}

// check checks that a change starts at the last handled state, is a change, and was polled later.
func (p *program) check(change trusthub.Change) {
	before := p.database[change.SID]
	switch {
	case len(trusthub.ChangedFields(before, change.Before)) > 0:
		p.t.Errorf("%s comes from %+v, but was %+v", change.SID, change.Before, before)
	case change.PolledAt.Before(p.polledAt[change.SID]):
		p.t.Errorf("%s was polled at %v, after %v", change.SID, change.PolledAt, p.polledAt[change.SID])
	case change.Err != nil && !errors.Is(change.Err, trusthub.ErrNotFound):
		p.t.Errorf("%s: %v", change.SID, change.Err)
	case change.Err != nil && p.failures[change.SID] != "":
		p.t.Errorf("%s fails twice: %v", change.SID, change.Err)
	case change.Err != nil:
	case before != nil && len(change.Fields) == 0:
		p.t.Errorf("%s did not change", change.SID)
	case change.Event != nil && change.Event.Status != string(change.After.Status):
		p.t.Errorf("%s is %s, but the event has %s", change.SID, change.After.Status, change.Event.Status)
	}
}

// change makes random changes and sends callbacks.
func (p *program) change() {
	statuses := []trusthub.CustomerProfileStatus{trusthub.StatusDraft, trusthub.StatusInReview, trusthub.StatusTwilioApproved}
	var calls sync.WaitGroup
	for p.isFaulty() {
		time.Sleep(p.upTo(2 * time.Minute))
		p.mu.Lock()
		i := p.rng.IntN(len(p.truth))
		profile := &p.truth[i]
		p.gone[i] = p.rng.IntN(20) == 0
		profile.Status = statuses[p.rng.IntN(len(statuses))]
		if p.rng.IntN(2) == 0 { // otherwise an earlier state is possible
			profile.FriendlyName += "x"
		}
		p.count.changes++
		sid, status := profile.SID, profile.Status
		p.mu.Unlock()
		for range 1 + map[bool]int{true: 1}[p.chance(p.lost)] {
			if !p.chance(p.lost) {
				calls.Go(func() { p.callBack(sid, status) })
			}
		}
	}
	calls.Wait()
}

func (p *program) callBack(sid string, status trusthub.CustomerProfileStatus) {
	if p.chance(p.lost) {
		time.Sleep(p.upTo(10 * time.Minute))
	}
	p.mu.Lock()
	handler := p.handler
	p.count.callbacks++
	p.mu.Unlock()
	if handler != nil {
		if code := callBack(handler, sid, status); code != http.StatusNoContent {
			p.t.Errorf("callback: status %d", code)
		}
	}
}
