package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
)

// TestFaults runs scenarios that the grid does not have: bad SIDs in a certain order, mixed faults,
// outages in a large batch.
func TestFaults(t *testing.T) {
	seed := seed(t)
	runAll(t, seed, slices.Concat(inOrder(seed), outages(seed), mixed(seed)))
}

// inOrder returns batches with bad SIDs in a certain order. Each runs once with a 500 and without a
// bound, and then with a random kind of fault, bound and input.
func inOrder(seed uint64) (all []scenario) {
	patterns := []struct {
		scenario
		n      int
		bad    func(i int) bool
		kinds  []fault
		random int // further runs with random values
	}{
		{scenario{name: "two SIDs, the first bad", within: 3 * time.Second}, 2, before(1), kinds, 3},
		{scenario{name: "the last of 1,000 bad", within: 10 * time.Second}, 1000, from(999), kinds, 3},
		{scenario{name: "two bad in front, 5 a second", every: 200 * ms, within: 24 * time.Second}, 100, before(2), kinds, 3},
		{scenario{name: "7 bad in front of 1,000", within: 30 * time.Second}, 1000, before(7), kinds, 3},
		{scenario{name: "100 bad in front of 1,000", within: 12 * time.Minute}, 1000, before(100), kinds[:4], 3},
		{scenario{name: "300 bad in front of 1,000", open: true}, 1000, before(300), nil, 0},
		{scenario{name: "50 bad in the middle of 1,000"}, 1000, func(i int) bool { return i >= 475 && i < 525 }, kinds, 3},
		{scenario{name: "100 bad at the end of 1,000"}, 1000, from(900), kinds, 3},
		{scenario{name: "the second half of 1,000 bad"}, 1000, from(500), kinds, 3},
		{scenario{name: "one SID, bad", within: time.Minute + maxWait}, 1, before(1), kinds, 3},
	}
	for i, p := range patterns {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		p.scenario.bad, p.fault = make([]bool, p.n), kinds[0]
		for i := range p.n {
			p.scenario.bad[i] = p.bad(i)
		}
		all = append(all, p.scenario)
		for range p.random {
			s := p.scenario
			s.fault, s.bound, s.within = p.kinds[random.IntN(len(p.kinds))], []int{0, 16, 64}[random.IntN(3)], 0
			if random.IntN(3) == 0 {
				s.every = 200 * ms
			}
			s.name = fmt.Sprintf("%s; %v, bound %d, %v", p.name, s.fault, s.bound, s.every)
			all = append(all, s)
		}
	}
	return all
}

func before(end int) func(int) bool { return func(i int) bool { return i < end } }
func from(first int) func(int) bool { return func(i int) bool { return i >= first } }

// outages returns large batches with an outage of a minute, and with repeated outages.
func outages(seed uint64) (all []scenario) {
	random := rand.New(rand.NewPCG(seed, 1000))
	for _, share := range []int{0, 5} {
		for _, limit := range []struct{ bound, during int }{{0, 40}, {64, 110}} {
			from := time.Duration(random.Int64N(int64(15 * time.Second)))
			s := scenario{
				name: fmt.Sprintf("outage in 20,000, %d%% bad, bound %d", share, limit.bound), bound: limit.bound,
				bad: scattered(random, 20_000, float64(share)/100), fault: kinds[0], outage: span{from, from + time.Minute},
				ratio: 1.4, during: limit.during, back: maxWait + 2*responseTime,
			}
			if share > 0 {
				s.back *= 2 // a probe may be for a bad SID
			}
			all = append(all, s)
		}
	}
	for _, each := range []time.Duration{20 * time.Second, 3 * time.Second} {
		for _, bound := range []int{0, 64} {
			all = append(all, scenario{
				name: fmt.Sprintf("%v up, %v down, bound %d", each, each, bound), bound: bound, bad: make([]bool, 20_000),
				rules: []rule{flapping(each, fault{status: 503})},
			})
		}
	}
	return all
}

// mixed returns batches with several kinds of faults.
func mixed(seed uint64) []scenario {
	random := rand.New(rand.NewPCG(seed, 2000))
	half := scattered(random, 1000, .5)
	throttling := fault{status: 429}
	return []scenario{
		{name: "a quarter of all requests fail", bad: make([]bool, 5000), failed: .025, rules: []rule{sometimes(.25, kinds[0])}},
		{name: "a quarter of all requests fail, bound 64", bound: 64, bad: make([]bool, 5000), failed: .025, rules: []rule{sometimes(.25, kinds[0])}},
		{name: "10 slots (429), 5% bad (503)", slots: 10, bad: scattered(random, 5000, .05), fault: fault{status: 503}, rules: []rule{throttled(10)}},
		{name: "10 slots (429), 5% bad (503), bound 64", slots: 10, bound: 64, bad: scattered(random, 5000, .05), fault: fault{status: 503}, rules: []rule{throttled(10)}},
		{name: "half always throttled", bad: half, fault: throttling, attempts: 50},
		{name: "half always throttled, bound 64", bound: 64, bad: half, fault: throttling, attempts: 50},
		{name: "16 in front always throttled", bad: first(16, 1000), fault: throttling, attempts: 50},
		{name: "one 429 with Retry-After 11", bad: make([]bool, 100_000), rules: []rule{once(fault{429, 11})}},
		{
			name: "one 429 with Retry-After 11, MaxOutage 0", bad: make([]bool, 100_000), rules: []rule{once(fault{429, 11})},
			opts: []trusthub.BatchOption{trusthub.WithMaxOutage(0)},
		},
	}
}

func first(bad, n int) []bool {
	all := make([]bool, n)
	for i := range bad {
		all[i] = true
	}
	return all
}
