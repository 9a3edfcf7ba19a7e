package limiter

import (
	"math"
	"math/rand/v2"
	"time"
)

// window is how many requests may be in flight: it doubles each round trip until the first refusal, and from then on
// follows CUBIC (RFC 9438) by round trips: a refusal cuts it, it returns to the refused limit slowly, and goes beyond it
// first slowly, then fast. It may be below one, which is a request every few round trips.
//
// The constants come from a simulation, see docs/SCALE.md.
type window struct {
	max       float64 // +Inf: no limit at all
	limit     float64
	refused   float64 // the limit at the last cut; 0: none yet
	rounds    float64 // round trips in full use since then
	cuts      int
	roundTrip time.Duration // smoothed; 0: none yet
}

const (
	initialLimit = 4.
	leastLimit   = 1. / 64
	cutTo        = 0.8
	plateau      = 15. // round trips from a cut back to the refused limit
)

func newWindow(maximum float64) window {
	limit := maximum
	if !math.IsInf(maximum, 1) {
		limit = min(maximum, initialLimit)
	}
	return window{max: maximum, limit: limit}
}

func (w *window) isBounded() bool { return !math.IsInf(w.max, 1) }

// room reports whether another request may join those in flight.
func (w *window) room(inFlight int) bool { return float64(inFlight) < max(math.Floor(w.limit), 1) }

// pace is the time between the starts of two requests when less than one may be in flight.
func (w *window) pace() time.Duration {
	if w.limit >= 1 {
		return 0
	}
	return jittered(time.Duration(float64(w.roundTrip) * (1 / w.limit)))
}

// slot is about the time in which one of the requests in flight is answered.
func (w *window) slot(inFlight int) time.Duration {
	return jittered(time.Duration(float64(w.roundTrip) / max(min(w.limit, float64(inFlight)), 1)))
}

// grow learns from a success that took so long. A limit that nobody reaches says nothing, so that only one in full use grows.
func (w *window) grow(took time.Duration, inUse bool) {
	w.learn(took)
	w.roundTrip += (took - w.roundTrip) / 8
	switch {
	case !inUse || !w.isBounded():
	case w.refused == 0:
		w.limit = min(w.limit+1, w.max)
	default:
		w.rounds += 1 / w.limit
		x := w.rounds/plateau - 1
		w.limit = min(w.refused*(1+(1-cutTo)*x*x*x), w.max)
	}
}

// learn takes the time of a refusal for a round trip until a better one is known.
func (w *window) learn(took time.Duration) {
	if w.roundTrip == 0 {
		w.roundTrip = took
	}
}

// cut learns from a refusal.
func (w *window) cut() {
	w.cuts++
	if !w.isBounded() {
		return
	}
	w.refused, w.rounds = w.limit, 0
	w.limit = max(w.limit*cutTo, leastLimit)
}

// jittered is d, half of it more or less.
func jittered(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1) //nolint:gosec // G404: spreads load, guards nothing
}
