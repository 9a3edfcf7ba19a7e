// Command bench compares the SDK with its peers on the same work. It measures the peers alternately
// in one run, and writes RESULTS.md and results.svg.
//
//	make bench
package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"time"
)

func main() {
	log.SetFlags(0)
	serve := flag.Bool("serve", false, "internal: be the server")
	turns := flag.Int("turns", 11, "how often each peer takes its turn; medians are reported")
	only := flag.String("only", "", "run one measurement alone: memory, loopback, concurrency, outage, limit, build, shared or minute")
	out := flag.String("out", "", "the folder for RESULTS.md and results.svg; none if empty")
	flag.Parse()
	if *serve {
		log.Fatal(beServer())
	}
	server, err := startServer()
	if err != nil {
		log.Fatal(err)
	}
	defer server.stop()
	report, err := measure(server, *turns, *only)
	if err != nil {
		server.stop()
		log.Fatal(err)
	}
	if err := report.write(*out); err != nil {
		log.Print(err)
	}
}

// measurement is one comparison.
type measurement struct {
	name string
	run  func(server *server, turns int) (*table, error)
}

func measurements() []measurement {
	return []measurement{
		{"memory", measureMemory},
		{"loopback", measureLoopback},
		{"concurrency", measureConcurrency},
		{"outage", measureOutage},
		{"limit", measureLimit},
		{"build", measureBuild},
		{"shared", measureShared},
		{"minute", measureMinute},
	}
}

func measure(server *server, turns int, only string) (*report, error) {
	report := &report{started: time.Now(), turns: turns}
	for _, m := range measurements() {
		if only != "" && m.name != only {
			continue
		}
		table, err := m.run(server, turns)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		table.print(os.Stdout)
		report.tables = append(report.tables, table)
	}
	return report, nil
}

// inTurns measures each of names turns times, alternately, and returns the medians of each value.
func inTurns(names []string, turns int, measure func(name string) ([]float64, error)) (map[string][]float64, error) {
	samples := make(map[string][][]float64)
	for range turns {
		for _, name := range names {
			values, err := measure(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			samples[name] = append(samples[name], values)
		}
	}
	medians := make(map[string][]float64)
	for name, all := range samples {
		for i := range all[0] {
			medians[name] = append(medians[name], median(all, i))
		}
	}
	return medians, nil
}

func median(samples [][]float64, i int) float64 {
	slices.SortFunc(samples, func(a, b []float64) int { return cmp.Compare(a[i], b[i]) })
	return samples[len(samples)/2][i]
}
