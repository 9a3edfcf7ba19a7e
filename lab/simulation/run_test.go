package simulation

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tests run all scenarios with seed 1 when GRID is set in the environment. Otherwise they run a
// few with a random seed. ROWS and SEED set the number and the seed.

// runAll runs and checks scenarios, and shows a row for each. A scenario that did not run has no
// tally.
func runAll(t *testing.T, seed uint64, all []scenario) []*tally {
	tallies := make([]*tally, len(all))
	chosen := choose(t, seed, len(all))
	t.Run("rows", func(t *testing.T) {
		for _, i := range chosen {
			t.Run(all[i].name, func(t *testing.T) {
				t.Parallel()
				o := all[i].run(t, seed, uint64(i))
				tallies[i] = &o
				all[i].check(t, o)
				if t.Failed() {
					t.Logf("to repeat: GRID=1 SEED=%d go test -run '%s' ./simulation", seed, regexp.QuoteMeta(t.Name()))
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
	show(t, fmt.Sprintf("SEED=%d\n\n%s%s", seed, head, table.String()))
	return tallies
}

// choose returns the indices of the scenarios to run.
func choose(t *testing.T, seed uint64, n int) []int {
	size := 6
	if os.Getenv("GRID") != "" {
		size = n
	}
	order := rand.New(rand.NewPCG(seed, 0)).Perm(n)[:min(number(t, "ROWS", size), n)]
	slices.Sort(order)
	return order
}

// seed returns the seed of the faults. The jitter of the client and the order of goroutines remain
// random.
func seed(t *testing.T) uint64 {
	random := 1
	if os.Getenv("GRID") == "" {
		random = rand.IntN(1e6)
	}
	return uint64(number(t, "SEED", random))
}

func number(t *testing.T, variable string, otherwise int) int {
	value := os.Getenv(variable)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		t.Fatalf("%s=%s is not a number", variable, value)
	}
	return n
}

// show prints a table if GRID is set, and logs it otherwise.
func show(t *testing.T, table string) {
	if os.Getenv("GRID") != "" {
		fmt.Println(table)
		return
	}
	t.Log("\n" + table)
}
