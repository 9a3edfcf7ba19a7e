package retry

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Backoff is the schedule of waits of one call: exponential, with jitter. The first wait is one to
// two times the minimum. Each further one is twice as long, up to the maximum.
type Backoff struct {
	minimum, maximum time.Duration
	schedule         backoff.ExponentialBackOff
}

// NewBackoff returns the schedule from minimum to maximum.
func NewBackoff(minimum, maximum time.Duration) Backoff {
	return Backoff{minimum, maximum, backoff.ExponentialBackOff{
		InitialInterval:     minimum + minimum/2, // a third up or down: one to two times the minimum
		RandomizationFactor: 1. / 3,
		Multiplier:          2,
		MaxInterval:         maximum - maximum/4, // a third up is the maximum
	}}
}

// Next returns the next wait.
func (b *Backoff) Next() time.Duration {
	return min(max(b.schedule.NextBackOff(), b.minimum), b.maximum)
}

// Reset starts again at the minimum.
func (b *Backoff) Reset() { b.schedule.Reset() }
