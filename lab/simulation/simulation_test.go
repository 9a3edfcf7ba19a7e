package simulation

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

const ms = time.Millisecond

// row is one situation, with the expected results.
type row struct {
	name                     string
	clients, slots           int
	travel, service, lasts   time.Duration
	retryAfter               time.Duration
	moves                    []move
	used, refusals, fairness float64 // minimum, maximum, minimum
	always, mostly           float64 // fairness over 10 s: minimum, and minimum of the median
}

// move is a change of the number of slots.
type move struct {
	after time.Duration
	slots int
}

var rows = []row{
	{name: "1 on 10", clients: 1, slots: 10, used: .70, refusals: .03},
	{name: "1 on 100", clients: 1, slots: 100, used: .82, refusals: .01},
	{name: "3 on 30, 180 ms travel, 60 ms service", clients: 3, slots: 30, travel: 180 * ms, service: 60 * ms, used: .60, refusals: .04, fairness: .90},
	{name: "4 on 40", clients: 4, slots: 40, used: .80, refusals: .02, fairness: .90, always: .85},
	{name: "8 on 16", clients: 8, slots: 16, used: .72, refusals: .05, fairness: .90, mostly: .85},
	{name: "8 on 4", clients: 8, slots: 4, used: .60, refusals: .45, fairness: .88},
	{name: "16 on 4", clients: 16, slots: 4, used: .60, refusals: .45, fairness: .88},
	{name: "32 on 4", clients: 32, slots: 4, used: .60, refusals: .60, fairness: .80},
	{name: "4 on 20, responses take 2 s, ten minutes", clients: 4, slots: 20, service: 2 * time.Second, lasts: 10 * time.Minute, used: .85, refusals: .05, fairness: .88},
	{
		name: "2 on 50, then 5, then 50", clients: 2, slots: 50, used: .68, refusals: .03, fairness: .90,
		moves: []move{{30 * time.Second, 5}, {60 * time.Second, 50}},
	},
	{name: "8 on 16, 429s with Retry-After: 1", clients: 8, slots: 16, retryAfter: time.Second, used: .50, refusals: .08, fairness: .80},
}

// outcome is the result of one run, or the medians of several.
type outcome struct {
	used, refusals, fairness float64
	windows                  []float64 // fairness over each 10 s of all runs
	lost                     int
}

func TestLossFormulas(t *testing.T) {
	for name, got := range map[string]struct{ got, want float64 }{
		"Erlang, two slots and a load of one": {erlang(2, 0.4), 0.25}, // B = 1/5
		// Each source pauses for the duration of its service.
		"Engset, one slot and two sources":           {engset(1, 2, 2./3), 1},
		"Engset, no more sources than slots":         {engset(3, 3, 0.5), 0},
		"Engset with many sources is Erlang, almost": {engset(2, 100_000, 0.4), 0.25},
	} {
		if math.Abs(got.got-got.want) > 1e-3 {
			t.Errorf("%s: got %.4f, want %.4f", name, got.got, got.want)
		}
	}
}

// TestSimulationTable prints the table of docs/SCALE.md. The expected results apply to the medians
// of ten or more RUNS. In every run, no profile may be lost.
func TestSimulationTable(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv("RUNS"))
	if err != nil {
		runs = 1
	}
	var table strings.Builder
	for _, r := range rows {
		r = r.withDefaults()
		o := r.medians(t, runs)
		fmt.Fprintf(&table, "| %s | %.2f | %.3f | %.2f | %.3f | %.3f |\n", r.name, o.used, o.refusals, o.fairness,
			erlang(r.slots, o.used), engset(r.slots, r.sources(), o.used))
		if o.lost > 0 {
			t.Errorf("%s: %d lost", r.name, o.lost)
		}
		if runs >= 10 && (o.used < r.used || o.refusals > r.refusals || o.fairness < r.fairness) {
			t.Errorf("%s: got %.2f used, %.3f refusals, fairness %.2f; want %.2f, %.2f, %.2f", r.name, o.used, o.refusals, o.fairness,
				r.used, r.refusals, r.fairness)
		}
		if least, middle := slices.Min(o.windows), median(o.windows); runs >= 10 && (least < r.always || middle < r.mostly) {
			t.Errorf("%s: fairness over 10 s is %.2f at least and %.2f in the median, want %.2f and %.2f", r.name, least, middle, r.always, r.mostly)
		} else if r.always+r.mostly > 0 {
			t.Logf("%s: fairness over 10 s is %.2f at least and %.2f in the median", r.name, least, middle)
		}
	}
	t.Logf("medians of %d runs\n| clients on slots | slots used | 429s for each profile | fairness | Erlang | Engset |\n|--|--:|--:|--:|--:|--:|\n%s", runs, table.String())
}

// withDefaults sets the fields that a row does not set.
func (r row) withDefaults() row {
	r.travel, r.service = cmp.Or(r.travel, 40*ms), cmp.Or(r.service, 100*ms)
	r.lasts = cmp.Or(r.lasts, 2*time.Minute)
	return r
}

// sources returns the number of requests that keep all slots in use, and at least one for each
// client.
func (r row) sources() int {
	return max(r.clients, r.slots+int(float64(r.slots)*float64(r.travel)/float64(r.service)))
}

func (r row) medians(t *testing.T, runs int) (o outcome) {
	var used, refusals, fairness []float64
	for seed := range runs {
		one := r.run(t, uint64(seed), func(*account) {})
		used, refusals, fairness = append(used, one.used), append(refusals, one.refusals), append(fairness, one.fairness)
		o.lost += one.lost
		o.windows = append(o.windows, one.windows...)
	}
	o.used, o.refusals, o.fairness = median(used), median(refusals), median(fairness)
	return o
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// run runs one simulation. Its first quarter is not measured.
func (r row) run(t *testing.T, seed uint64, watch func(*account)) (o outcome) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a := &account{
			travel: r.travel, service: r.service, retryAfter: r.retryAfter, slots: r.slots, since: start,
			from: start.Add(r.lasts / 4), random: rand.New(rand.NewPCG(seed, 0)),
		}
		for _, m := range r.moves {
			time.AfterFunc(m.after, func() { a.permit(m.slots) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), r.lasts)
		defer cancel()
		fetched, lost := make([][]int, r.clients), make([]int, r.clients)
		var all sync.WaitGroup
		all.Go(func() { watch(a) })
		for i := range r.clients {
			// with time for requests in flight
			fetched[i] = make([]int, int((r.lasts+time.Minute)/time.Second))
			all.Go(func() { lost[i] = fetch(ctx, t, a, fetched[i]) })
		}
		all.Wait()
		a.permit(0)
		time.Sleep(time.Minute) // time for requests in flight
		o = a.outcome(fetched, int(r.lasts/time.Second))
		for _, n := range lost {
			o.lost += n
		}
	})
	return o
}

// fetch runs one client until ctx ends. It counts the profiles of each second and returns the
// number of lost ones.
func fetch(ctx context.Context, t *testing.T, a *account, fetched []int) (lost int) {
	start := time.Now()
	client := apitest.Over(t, a, apitest.Defaults(), trusthub.WithMaxConcurrency(128))
	for result := range client.FetchCustomerProfiles(ctx, apitest.Numbered(math.MaxInt, new(atomic.Int64))) {
		switch {
		case result.Err != nil && ctx.Err() == nil:
			lost++
		case result.Err == nil:
			fetched[time.Since(start)/time.Second]++
		}
	}
	return lost
}

// outcome returns the results of the profiles fetched in each second.
func (a *account) outcome(fetched [][]int, seconds int) outcome {
	o := outcome{
		used:     float64(a.used) / float64(a.offered),
		refusals: float64(a.refused) / float64(a.served),
		fairness: fairness(fetched, seconds/4, seconds),
	}
	for from := 10; from+10 <= seconds; from++ {
		o.windows = append(o.windows, fairness(fetched, from, from+10))
	}
	return o
}

// fairness returns Jain's index from one second to another. It is 1 if all clients got the same,
// and 1/n if one of n got everything.
func fairness(fetched [][]int, from, to int) float64 {
	var sum, squares float64
	for _, client := range fetched {
		n := 0.
		for _, count := range client[from:to] {
			n += float64(count)
		}
		sum, squares = sum+n, squares+n*n
	}
	return sum * sum / squares / float64(len(fetched))
}
