package trusthub

import (
	"container/list"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// limiter bounds the requests in flight and finds out how many the account permits: it starts low, doubles each round
// trip until the first 429, cuts to 70% on a 429, and then grows by one each round trip, as TCP does. It serves waiting
// callers in order. A nil limiter has no limit.
type limiter struct {
	mu          sync.Mutex
	max         float64
	limit       float64 // between 1 and max
	inFlight    int
	cuts        turn      // how often the limit was cut
	waiting     list.List // of chan turn
	lastSuccess time.Time
}

// turn is the right to send one request. It tells how often the limit had been cut when the request was sent, so that
// the refusals of one round trip cut once.
type turn int

const (
	initialLimit = 8
	cutTo        = 0.7
)

func newLimiter(maximum int) *limiter {
	return &limiter{max: float64(maximum), limit: float64(min(maximum, initialLimit))}
}

// acquire waits for a turn, or for the end of ctx, whose error it returns.
func (l *limiter) acquire(ctx context.Context) (turn, error) {
	if l == nil {
		return 0, nil
	}
	mine := make(chan turn, 1)
	l.mu.Lock()
	place := l.waiting.PushBack(mine)
	l.serve()
	l.mu.Unlock()
	select {
	case t := <-mine:
		return t, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case t := <-mine: // came at the same moment, and has to be released like any other
		return t, nil
	default:
		l.waiting.Remove(place)
		return 0, ctx.Err()
	}
}

// release ends a turn and learns from the answer, which is nil when there was none.
func (l *limiter) release(t turn, answer *http.Response) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case answer == nil || answer.StatusCode >= 500: // tells nothing of the limit
	case answer.StatusCode == http.StatusTooManyRequests:
		if t == l.cuts {
			l.limit = max(l.limit*cutTo, 1)
			l.cuts++
		}
	default:
		l.lastSuccess = time.Now()
		if l.inFlight >= int(l.limit) { // a limit that nobody reaches says nothing
			l.limit = min(l.limit+l.growth(), l.max)
		}
	}
	l.inFlight--
	l.serve()
}

// growth is what a success adds to the limit: in a round trip, as much again before the first cut, one after it.
func (l *limiter) growth() float64 {
	if l.cuts == 0 {
		return 1
	}
	return 1 / l.limit
}

// serve gives turns to those who wait longest.
func (l *limiter) serve() {
	for l.inFlight < int(l.limit) && l.waiting.Len() > 0 {
		l.inFlight++
		l.waiting.Remove(l.waiting.Front()).(chan turn) <- l.cuts
	}
}

// forgives reports whether a failure is a 429 that only says that the limit is not found yet: some request succeeded
// within the last window.
func (l *limiter) forgives(failure error, window time.Duration) bool {
	if l == nil || !errors.Is(failure, ErrTooManyRequests) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.lastSuccess.IsZero() && time.Since(l.lastSuccess) <= window
}
