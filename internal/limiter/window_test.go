package limiter

import (
	"math"
	"testing"
	"time"
)

// The limit of a window after each event.
func TestWindow(t *testing.T) {
	grow := func(times int) func(*window) {
		return func(w *window) {
			for range times {
				w.grow(100*time.Millisecond, true)
			}
		}
	}
	rounds := func(n int) func(*window) {
		return func(w *window) {
			for end := w.rounds + float64(n); w.rounds < end-1e-9; {
				w.grow(100*time.Millisecond, true)
			}
		}
	}
	type step struct {
		event func(*window)
		limit float64
	}
	for name, test := range map[string]struct {
		max   float64
		steps []step
	}{
		"doubles each round trip before the first 429": {64, []step{{grow(0), 4}, {grow(4), 8}, {grow(8), 16}, {grow(100), 64}}},
		"starts at a small maximum":                    {2, []step{{grow(0), 2}, {grow(9), 2}}},
		"a 429 cuts to 80%":                            {64, []step{{grow(6), 10}, {(*window).cut, 8}, {(*window).cut, 6.4}}},
		"a small limit recovers in 12 round trips":     {64, []step{{(*window).cut, 3.2}, {rounds(12), 4}}},
		"a large limit grows by 0.33 a round trip":     {64, []step{{grow(16), 20}, {(*window).cut, 16}, {rounds(18), 21.9}}},
		"an unused limit does not grow": {64, []step{{func(w *window) {
			for range 9 {
				w.grow(time.Second, false)
			}
		}, 4}}},
		"never below a 64th": {64, []step{{func(w *window) {
			for range 99 {
				w.cut()
			}
		}, 1. / 64}}},
		"no maximum, no limit": {math.Inf(1), []step{{(*window).cut, math.Inf(1)}, {grow(9), math.Inf(1)}}},
	} {
		w := newWindow(test.max)
		for i, step := range test.steps {
			step.event(&w)
			if w.limit != step.limit && math.Abs(w.limit-step.limit) > 0.03*step.limit {
				t.Errorf("%s: step %d: limit %.2f, want %.2f", name, i, w.limit, step.limit)
			}
		}
	}
}

func TestPaceBelowOne(t *testing.T) {
	w := newWindow(64)
	w.grow(800*time.Millisecond, true) // one eighth counts in the first step
	w.roundTrip = 100 * time.Millisecond
	if got := w.pace(); got != 0 {
		t.Errorf("a limit of %v is paced by %v", w.limit, got)
	}
	w.limit = 0.25
	if got := w.pace(); got < 200*time.Millisecond || got > 600*time.Millisecond {
		t.Errorf("a limit of a quarter is paced by %v", got)
	}
	if !w.room(0) || w.room(1) {
		t.Error("a limit below one has room for one request")
	}
}
