package limiter

import (
	"math"
	"math/rand/v2"
	"time"
)

// window is the number of requests that may be in flight. It doubles each round trip until the
// first 429. Then it follows CUBIC (RFC 9438), in round trips instead of seconds: a 429 cuts it to
// β. It returns slowly to the limit before the cut (W_max), and then grows beyond, slowly at first.
// Below one it means one request every few round trips.
//
// The constants come from a simulation, see lab/simulation/README.md.
type window struct {
	max       float64 // +Inf: no limit
	limit     float64
	before    float64 // the limit before the last cut, W_max; 0: none yet
	rounds    float64 // round trips in full use since the last cut
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

// room reports whether another request may start.
func (w *window) room(inFlight int) bool { return float64(inFlight) < max(math.Floor(w.limit), 1) }

// pace returns the time between the starts of two requests when less than one may be in flight.
func (w *window) pace() time.Duration {
	if w.limit >= 1 {
		return 0
	}
	return jittered(time.Duration(float64(w.roundTrip) * (1 / w.limit)))
}

// slot returns the approximate time until one of the requests in flight ends.
func (w *window) slot(inFlight int) time.Duration {
	return jittered(time.Duration(float64(w.roundTrip) / max(min(w.limit, float64(inFlight)), 1)))
}

// grow records a success and its duration. Only a window in full use grows, since a limit that is
// not reached shows nothing.
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

// additive returns the growth for each round trip of CUBIC's Reno-friendly region, which makes
// clients of one account converge. RFC 9438 has 0.33 for this β, and a window of ten or more uses
// it. A smaller window grows less, since it would mostly cause 429s.
func (w *window) additive() float64 {
	square := w.before * w.before
	return 0.02*min(square, 1) + 0.31*min(square/100, 1)
}

// learn uses the duration of a 429 as a round trip until there is a better value.
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

// jittered returns d plus or minus up to a half.
func jittered(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1) //nolint:gosec // G404: spreads load, guards nothing
}
