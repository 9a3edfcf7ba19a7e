// Package retry decides whether another attempt follows a failed one, and when.
package retry

import (
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/limiter"
)

// Policy bounds the attempts of a call and the waits between them.
type Policy struct {
	MaxAttempts      int
	MinWait, MaxWait time.Duration
}

// maxThrottled is the number of 429s that end a call while other calls succeed: after 8 minutes at
// most with the default waits.
const maxThrottled = 50

// Decision is whether another attempt follows, and when.
type Decision struct {
	Again bool
	Wait  time.Duration // before the next attempt queues in the limiter
}

// Stop ends a call.
var Stop = Decision{}

// Call counts the failures of one call.
type Call struct {
	policy   Policy
	quota    *Quota
	limiter  *limiter.Limiter
	backoff  Backoff
	failures int // failures that count against MaxAttempts
}

// NewCall returns the state of a new call. While l reports successes, a 429 does not count as a
// failure; with a nil l, it always does.
func NewCall(policy Policy, quota *Quota, l *limiter.Limiter) Call {
	return Call{policy: policy, quota: quota, limiter: l, backoff: NewBackoff(policy.MinWait, policy.MaxWait)}
}

// Next decides for a call outside a batch.
func (c *Call) Next(o *attempt.Outcome, t limiter.Throttling) Decision {
	switch {
	case !o.Retryable(), o.RetryAfter > c.policy.MaxWait:
		return Stop
	case o.Kind == attempt.Throttled && c.limiter != nil && c.limiter.SucceededWithin(c.policy.MaxWait):
		return c.NextThrottled(o, t)
	}
	c.failures++
	wait := c.Wait(o)
	if o.Kind == attempt.Throttled && o.RetryAfter > 0 && t.Paused {
		wait = 0 // the limiter waits instead
	}
	return Decision{c.failures < c.policy.MaxAttempts && c.quota.Take(), wait}
}

// NextThrottled decides after a 429 that does not count as a failure. The next attempt queues at
// once, and the limiter waits. A call that went to the back of the queue waits on its own first.
func (c *Call) NextThrottled(o *attempt.Outcome, t limiter.Throttling) Decision {
	var wait time.Duration
	if t.Behind {
		wait = c.backoff.Next()
	}
	if !t.Paused {
		wait = max(wait, o.RetryAfter)
	}
	return Decision{t.Times < maxThrottled, wait}
}

// Wait returns the wait after a failure: the Retry-After, or that of the schedule.
func (c *Call) Wait(o *attempt.Outcome) time.Duration {
	if o.RetryAfter > 0 {
		return o.RetryAfter
	}
	return c.backoff.Next()
}
