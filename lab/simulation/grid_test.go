package simulation

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kinds are the faults of bad SIDs.
var kinds = []fault{{status: 500}, {status: 503, retryAfter: 1}, {status: 503, retryAfter: 5}, {status: 503, retryAfter: 10}, {}}

var shares = []int{0, 1, 2, 5, 10, 30}

// grid is all combinations of faults, with bad SIDs scattered at random.
func grid(seed uint64) (all []scenario) {
	for _, share := range shares {
		for _, kind := range kinds {
			if share == 0 && kind != kinds[0] {
				continue
			}
			for _, bound := range []int{0, 16, 64} {
				for _, every := range []time.Duration{0, 200 * ms} {
					random := rand.New(rand.NewPCG(seed, uint64(len(all)))) //nolint:gosec // a seed
					s := scenario{
						cell: cell(share, kind), bound: bound, every: every, fault: kind, ratio: 1.4,
						bad: scattered(random, 5000, float64(share)/100),
					}
					s.name = fmt.Sprintf("%d%% bad, %v, bound %d, %v", share, kind, bound, every)
					all = append(all, s)
					_, least := s.lowerBound()
					from := time.Duration((0.1 + 0.4*random.Float64()) * float64(least))
					s.outage = span{from, from + time.Minute}
					s.name += ", outage"
					all = append(all, s)
				}
			}
		}
	}
	return all
}

func cell(share int, kind fault) string { return fmt.Sprintf("%d%% %v", share, kind) }

func scattered(random *rand.Rand, n int, share float64) []bool {
	bad := make([]bool, n)
	for i := range bad {
		bad[i] = random.Float64() < share
	}
	return bad
}

// TestGrid prints the table of docs/BATCH.md: the worst of each cell, alone and with an outage of one minute. Without GRID it runs a few of the rows.
func TestGrid(t *testing.T) {
	all := grid(seed(t))
	tallies := runAll(t, all)
	for _, outage := range []bool{false, true} {
		var table strings.Builder
		for _, share := range shares {
			fmt.Fprintf(&table, "| %d%% |", share)
			for _, kind := range kinds {
				fmt.Fprintf(&table, " %s |", worst(all, tallies, cell(share, kind), outage))
			}
			table.WriteByte('\n')
		}
		t.Logf("the longest time ÷ lower bound of each cell; with an outage: %v\n| bad SIDs |", outage)
		var columns, line strings.Builder
		for _, kind := range kinds {
			fmt.Fprintf(&columns, " %v |", kind)
			line.WriteString("--|")
		}
		t.Logf("\n| bad SIDs |%s\n|--|%s\n%s", columns.String(), line.String(), table.String())
	}
}

// worst sums up a cell of the table.
func worst(all []scenario, tallies []*tally, cell string, outage bool) string {
	var w tally
	ratio, rows := 0., 0
	for i, s := range all {
		if o := tallies[i]; o != nil && s.cell == cell && (s.outage.to > 0) == outage {
			rows++
			ratio = max(ratio, s.timeRatio(*o))
			w.lost, w.notOwn, w.outages = max(w.lost, o.lost), max(w.notOwn, o.notOwn), max(w.outages, o.outages)
			w.during = max(w.during, o.during)
		}
	}
	if rows == 0 {
		return ""
	}
	text := fmt.Sprintf("%.2f", ratio)
	if w.lost+w.notOwn+w.outages > 0 {
		text += fmt.Sprintf(", **%d lost**, %d not own, %d ErrOutage", w.lost, w.notOwn, w.outages)
	}
	if outage {
		text += fmt.Sprintf(" (%d)", w.during)
	}
	return text
}

// runAll runs all scenarios, or without GRID in the environment ROWS of them (6) at random, and prints a row for each. Those that were not run have no outcome.
func runAll(t *testing.T, all []scenario) []*tally {
	seed := seed(t)
	tallies := make([]*tally, len(all))
	chosen := chosen(t, seed, len(all))
	t.Run("rows", func(t *testing.T) {
		for _, i := range chosen {
			t.Run(all[i].name, func(t *testing.T) {
				t.Parallel()
				o := all[i].run(t, seed, uint64(i)) //nolint:gosec // a seed
				tallies[i] = &o
				all[i].check(t, o)
				if t.Failed() {
					t.Logf("to repeat: GRID=1 SEED=%d go test -run '%s' ./simulation", seed, t.Name())
				}
			})
		}
	})
	var table strings.Builder
	for i, s := range all {
		if tallies[i] != nil {
			table.WriteString(s.row(*tallies[i]))
		}
	}
	t.Logf("SEED=%d\n%s%s", seed, head, table.String())
	return tallies
}

func chosen(t *testing.T, seed uint64, n int) []int {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(n)
	size := 6
	switch rows, err := strconv.Atoi(os.Getenv("ROWS")); {
	case os.Getenv("ROWS") != "" && err != nil:
		t.Fatal(err)
	case err == nil:
		size = min(rows, n)
	case os.Getenv("GRID") != "":
		size = n
	}
	order = order[:min(size, n)]
	slices.Sort(order)
	return order
}

// seed is the SEED of the environment, or 1. It fixes the faults; the client's own jitter and the order of goroutines stay random.
func seed(t *testing.T) uint64 {
	if os.Getenv("SEED") == "" {
		return 1
	}
	n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
