// Package retry decides whether a failed attempt of a call is followed by another one, and when.
package retry

import (
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/limiter"
)

// Policy is the part of the client's retry policy that concerns a single call.
type Policy struct {
	MaxAttempts      int
	MinWait, MaxWait time.Duration
}

// maxThrottled is how many 429s end a call while others succeed: with the default waits, 8 minutes at most.
const maxThrottled = 50

// Decision is what follows a failed attempt.
type Decision struct {
	Again bool
	Wait  time.Duration // before the next attempt queues in the limiter
}

// Stop ends a call.
var Stop = Decision{}

// Call keeps count of the failures of one call.
type Call struct {
	policy   Policy
	quota    *Quota
	forgiver *limiter.Limiter
	backoff  Backoff
	failures int // that count against MaxAttempts
}

// NewCall returns the state of a call that has not failed yet. While forgiver sees successes, a 429 is no failure of the call; nil: it
// always is.
func NewCall(policy Policy, quota *Quota, forgiver *limiter.Limiter) Call {
	return Call{policy: policy, quota: quota, forgiver: forgiver, backoff: NewBackoff(policy.MinWait, policy.MaxWait)}
}

// Next decides on a call of its own.
func (c *Call) Next(o *attempt.Outcome, t limiter.Throttling) Decision {
	switch {
	case !o.Retryable(), o.RetryAfter > c.policy.MaxWait:
		return Stop
	case o.Kind == attempt.Throttled && c.forgiver != nil && c.forgiver.SucceededWithin(c.policy.MaxWait):
		return c.NextThrottled(o, t)
	}
	c.CountFailure()
	wait := c.Wait(o, t)
	return Decision{c.TakeRetry(), wait}
}

// NextThrottled decides after a 429 that is no failure of the call: again at once, which is when the limiter says so, or, when
// the limiter has sent it to the back of the queue, after a wait of its own.
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

// CountFailure counts a failure against MaxAttempts.
func (c *Call) CountFailure() { c.failures++ }

// Exhausted reports whether MaxAttempts are used up.
func (c *Call) Exhausted() bool { return c.failures >= c.policy.MaxAttempts }

// TakeRetry reports whether another attempt may follow, and takes it from the quota.
func (c *Call) TakeRetry() bool { return !c.Exhausted() && c.quota.Take() }

// Wait returns how long to wait after a failure that counts.
func (c *Call) Wait(o *attempt.Outcome, t limiter.Throttling) time.Duration {
	switch {
	case o.RetryAfter > 0 && o.Kind == attempt.Throttled && t.Paused:
		return 0 // the limiter waits
	case o.RetryAfter > 0:
		return o.RetryAfter
	}
	return c.backoff.Next()
}

// Forgive forgets all failures.
func (c *Call) Forgive() {
	c.failures = 0
	c.backoff.Reset()
}
