package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// kinds has the faults of bad SIDs.
var kinds = []fault{{status: 500}, {status: 503, retryAfter: 1}, {status: 503, retryAfter: 5}, {status: 503, retryAfter: 10}, {}}

var shares = []int{0, 1, 2, 5, 10, 30}

// grid returns all combinations of faults, with bad SIDs at random places.
func grid(seed uint64) (all []scenario) {
	for _, share := range shares {
		for _, kind := range kinds {
			if share == 0 && kind != kinds[0] {
				continue
			}
			for _, bound := range []int{0, 16, 64} {
				for _, every := range []time.Duration{0, 200 * ms} {
					random := rand.New(rand.NewPCG(seed, uint64(len(all))))
					s := scenario{
						cell: cell(share, kind), bound: bound, every: every, fault: kind, ratio: 1.4,
						bad: scattered(random, 5000, float64(share)/100),
					}
					s.name = fmt.Sprintf("%d%% bad, %v, bound %d, %v", share, kind, bound, every)
					all = append(all, s)
					_, least := s.bounds()
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

// TestGrid prints the tables of docs/BATCH.md. They have the worst results for each share and kind
// of bad SIDs, without and with an outage of a minute.
func TestGrid(t *testing.T) {
	seed := seed(t)
	all := grid(seed)
	tallies := runAll(t, seed, all)
	for _, outage := range []bool{false, true} {
		var table strings.Builder
		table.WriteString("The longest time ÷ bound, and what was lost")
		if outage {
			table.WriteString("; an outage of a minute on top (most requests during it)")
		}
		table.WriteString(":\n\n| bad SIDs |")
		for _, kind := range kinds {
			fmt.Fprintf(&table, " %v |", kind)
		}
		fmt.Fprintf(&table, "\n|--|%s\n", strings.Repeat("--|", len(kinds)))
		for _, share := range shares {
			fmt.Fprintf(&table, "| %d%% |", share)
			for _, kind := range kinds {
				fmt.Fprintf(&table, " %s |", worst(all, tallies, cell(share, kind), outage))
			}
			table.WriteByte('\n')
		}
		show(t, table.String())
	}
}

// worst returns the text of a cell of the table.
func worst(all []scenario, tallies []*tally, cell string, outage bool) string {
	var w tally
	ratio := 0.
	for i, s := range all {
		o := tallies[i]
		if o == nil || s.cell != cell || (s.outage.to > 0) != outage {
			continue
		}
		ratio = max(ratio, s.timeRatio(*o))
		w.lost, w.notOwn, w.outages = max(w.lost, o.lost), max(w.notOwn, o.notOwn), max(w.outages, o.outages)
		w.during = max(w.during, o.during)
	}
	if ratio == 0 {
		return "" // not run
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
