package trusthub

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// RetryPolicy says how often and when an attempt that failed is made again. Zero fields mean the defaults: 3 attempts,
// waits from 200 ms to 10 s, and outages of up to 15 minutes.
//
// Waits grow from MinWait, twice as long each time, with jitter: the first is once to twice MinWait, and none exceeds MaxWait. A
// Retry-After header takes their place; when it asks for more than MaxWait, the error is returned at once, with RetryAfter set.
type RetryPolicy struct {
	MaxAttempts int           // all of them, the first included; 1 means never again
	MinWait     time.Duration // 0: 200 ms, or MaxWait if that is shorter
	MaxWait     time.Duration // 0: 10 s, or MinWait if that is longer
	MaxOutage   time.Duration // how long FetchCustomerProfiles goes on without any success; negative: it does not hold in an outage
}

const (
	defaultMaxAttempts = 3
	defaultMinWait     = 200 * time.Millisecond
	defaultMaxWait     = 10 * time.Second
	defaultMaxOutage   = 15 * time.Minute

	maxRefusals = 50 // of one call, while others succeed: with the default waits, 8 minutes at most
)

func (p RetryPolicy) withDefaults() (RetryPolicy, error) {
	if p.MaxAttempts < 0 || p.MinWait < 0 || p.MaxWait < 0 {
		return p, fmt.Errorf("trusthub: WithRetry: negative values in %+v", p)
	}
	if p.MaxOutage == 0 {
		p.MaxOutage = defaultMaxOutage
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = defaultMaxAttempts
	}
	if p.MaxWait == 0 {
		p.MaxWait = max(defaultMaxWait, p.MinWait)
	}
	if p.MinWait == 0 {
		p.MinWait = min(defaultMinWait, p.MaxWait)
	}
	if p.MinWait > p.MaxWait {
		return p, fmt.Errorf("trusthub: WithRetry: MinWait %v is longer than MaxWait %v", p.MinWait, p.MaxWait)
	}
	return p, nil
}

// next says whether to make another attempt after this failure, and how long to wait before it takes its turn.
func (c *call) next(failure error) (wait time.Duration, again bool) {
	switch {
	case !isTransient(failure), retryAfter(failure) > c.chain.cfg.retry.MaxWait:
		return 0, false
	case isRefusal(failure) && c.isForgiven():
		return c.afterRefusal(failure)
	}
	c.counted++
	return c.waitAfter(failure), c.mayRetry()
}

// isForgiven reports whether a 429 only says that the limit is not found yet: there is one, and some request succeeded lately.
func (c *call) isForgiven() bool {
	return (c.chain.cfg.maxConcurrency > 0 || c.chain.fleet != nil) && c.chain.limiter.thrives(c.chain.cfg.retry.MaxWait)
}

// mayRetry reports whether an attempt that counts may be followed by another.
func (c *call) mayRetry() bool {
	return c.counted < c.chain.cfg.retry.MaxAttempts && c.chain.quota.take()
}

// waitAfter is how long to wait after a failure that counts.
func (c *call) waitAfter(failure error) time.Duration {
	asked := retryAfter(failure)
	switch {
	case asked > 0 && isRefusal(failure) && c.paused:
		return 0 // the limiter does
	case asked > 0:
		return asked
	}
	return c.waits.next()
}

// afterRefusal says how a 429 goes on that is no failure of this call: again at once, which is when the limiter says, or, when
// the call has stepped aside there, by waits of its own.
func (c *call) afterRefusal(failure error) (wait time.Duration, again bool) {
	if c.turn.inARow >= 2 {
		wait = c.waits.next()
	}
	if !c.paused {
		wait = max(wait, retryAfter(failure))
	}
	return wait, c.turn.refusals < maxRefusals
}

// retryAfter is how long a failure asks to wait.
func retryAfter(failure error) time.Duration {
	if apiErr, ok := errors.AsType[*Error](failure); ok {
		return apiErr.RetryAfter
	}
	return 0
}

// isRefusal reports whether a failure is an answer with status 429, and not what middleware may call so.
func isRefusal(failure error) bool {
	apiErr, ok := errors.AsType[*Error](failure)
	return ok && apiErr.StatusCode == http.StatusTooManyRequests
}

// waits grow from MinWait to MaxWait.
type waits struct {
	policy   RetryPolicy
	schedule backoff.ExponentialBackOff
}

func newWaits(policy RetryPolicy) waits {
	return waits{policy, backoff.ExponentialBackOff{
		InitialInterval:     policy.MinWait + policy.MinWait/2, // a third up and down: from once to twice MinWait
		RandomizationFactor: 1. / 3,
		Multiplier:          2,
		MaxInterval:         policy.MaxWait - policy.MaxWait/4, // a third up: MaxWait
	}}
}

func (w *waits) next() time.Duration {
	return min(max(w.schedule.NextBackOff(), w.policy.MinWait), w.policy.MaxWait)
}

func (w *waits) reset() { w.schedule.Reset() }

// quota keeps a total outage from multiplying traffic, as in the AWS SDKs: it starts with tokens for 100 retries, each
// success pays for a fifth of one, and when it is empty, calls fail after their first attempt.
type quota struct {
	mu     sync.Mutex
	tokens int
}

const (
	quotaSize     = 500
	quotaPerRetry = 5
)

func newQuota() *quota { return &quota{tokens: quotaSize} }

func (q *quota) take() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.tokens < quotaPerRetry {
		return false
	}
	q.tokens -= quotaPerRetry
	return true
}

// left is the number of retries.
func (q *quota) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tokens / quotaPerRetry
}

func (q *quota) give() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tokens = min(q.tokens+1, quotaSize)
}
