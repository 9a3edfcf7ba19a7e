package outage

import (
	"time"

	"github.com/seed07fc1495/trusthub/internal/retry"
)

// breaker is a circuit breaker without a fixed delay: while it is open, single probes go out at growing intervals, and the first
// that succeeds closes it.
type breaker struct {
	openedAt   time.Time // zero: it is closed
	confirmed  bool      // a probe has failed since
	generation int       // how often it has closed
	closedAt   time.Time // when it last did
	backoff    retry.Backoff
}

func (b *breaker) isOpen() bool { return !b.openedAt.IsZero() }

// open returns the time until the first probe.
func (b *breaker) open(now time.Time) time.Duration {
	b.openedAt = now
	return b.backoff.Next()
}

// probeFailed returns the time until the next probe, and whether this was the first that failed.
func (b *breaker) probeFailed() (wait time.Duration, first bool) {
	first, b.confirmed = !b.confirmed, true
	return b.backoff.Next(), first
}

// close returns whether a probe had failed.
func (b *breaker) close(now time.Time) (confirmed bool) {
	confirmed = b.confirmed
	b.openedAt, b.confirmed = time.Time{}, false
	b.generation++
	b.closedAt = now
	return confirmed
}

// generationOf returns the generation in which a request was sent.
func (b *breaker) generationOf(sentAt time.Time) int {
	if sentAt.Before(b.closedAt) {
		return b.generation - 1
	}
	return b.generation
}
