package limiter

import (
	"math"
	"math/rand/v2"
	"time"
)

// window is the number of requests that may be in flight. It doubles each round trip until the
// first 429. From then on it follows CUBIC (RFC 9438), by round trips in place of seconds: a 429
// cuts it to β; it returns to the limit before the cut (W_max) slowly, and then grows beyond it,
// first slowly, then fast. It may be below one, which is a request every few round trips.
//
// The constants come from a simulation, see docs/SCALE.md.
type window struct {
	max       float64 // +Inf: no limit at all
	limit     float64
	before    float64 // the limit before the last cut, W_max; 0: none yet
	rounds    float64 // round trips in full use since then
	cuts      int
	roundTrip time.Duration // smoothed; 0: none yet
}

const (
	initialLimit = 4.
	leastLimit   = 1. / 64
	beta         = 0.8
	plateau      = 15. // round trips from a cut back to W_max, K
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

// pace returns the time between the starts of two requests when less than one may be in flight.
func (w *window) pace() time.Duration {
	if w.limit >= 1 {
		return 0
	}
	return jittered(time.Duration(float64(w.roundTrip) * (1 / w.limit)))
}

// slot returns about the time in which one of the requests in flight ends.
func (w *window) slot(inFlight int) time.Duration {
	return jittered(time.Duration(float64(w.roundTrip) / max(min(w.limit, float64(inFlight)), 1)))
}

// grow records a success that took so long. Only a window in full use grows: a limit that nobody
// reaches says nothing.
func (w *window) grow(took time.Duration, inUse bool) {
	w.learn(took)
	w.roundTrip += (took - w.roundTrip) / 8
	switch {
	case !inUse || !w.isBounded():
	case w.before == 0:
		w.limit = min(w.limit+1, w.max)
	default:
		w.rounds += 1 / w.limit
		x := w.rounds/plateau - 1
		cubic := w.before * (1 + (1-beta)*x*x*x)
		w.limit = min(max(cubic, w.before*beta+w.additive()*w.rounds), w.max)
	}
}

// additive returns the growth by round trip of CUBIC's Reno-friendly region, which makes clients
// that share an account converge. RFC 9438 has 0.33 for this β, which a window of ten or more
// takes. A small one takes less: it would mostly cause 429s.
func (w *window) additive() float64 {
	square := w.before * w.before
	return 0.02*min(square, 1) + 0.31*min(square/100, 1)
}

// learn takes the time of a 429 for a round trip until a better one is known.
func (w *window) learn(took time.Duration) {
	if w.roundTrip == 0 {
		w.roundTrip = took
	}
}

// cut records a 429.
func (w *window) cut() {
	w.cuts++
	if !w.isBounded() {
		return
	}
	w.before, w.rounds = w.limit, 0
	w.limit = max(w.limit*beta, leastLimit)
}

// jittered returns d, half of it more or less.
func jittered(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1) //nolint:gosec // G404: spreads load, guards nothing
}
