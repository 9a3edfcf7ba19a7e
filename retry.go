package trusthub

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// RetryPolicy says how often and when an attempt that failed is made again. Zero fields mean the defaults: 3 attempts,
// waits from 200 ms to 10 s.
//
// Waits grow from MinWait, twice as long each time, with jitter, and never exceed MaxWait. A Retry-After header takes
// their place; when it asks for more than MaxWait, the error is returned at once, with RetryAfter set.
type RetryPolicy struct {
	MaxAttempts int // all of them, the first included; 1 means never again
	MinWait     time.Duration
	MaxWait     time.Duration
}

const (
	defaultMaxAttempts = 3
	defaultMinWait     = 200 * time.Millisecond
	defaultMaxWait     = 10 * time.Second
)

func (p RetryPolicy) withDefaults() (RetryPolicy, error) {
	if p.MaxAttempts < 0 || p.MinWait < 0 || p.MaxWait < 0 {
		return p, fmt.Errorf("trusthub: WithRetry: negative values in %+v", p)
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

// retries decides over the attempts of one call.
type retries struct {
	chain    *chain
	attempts int // that count
	schedule backoff.ExponentialBackOff
}

func newRetries(c *chain) *retries {
	policy := c.cfg.retry
	return &retries{chain: c, schedule: backoff.ExponentialBackOff{
		InitialInterval:     policy.MinWait + policy.MinWait/2, // a third up and down: from once to twice MinWait
		RandomizationFactor: 1. / 3,
		Multiplier:          2,
		MaxInterval:         policy.MaxWait - policy.MaxWait/4, // a third up: MaxWait
	}}
}

// next says whether to make another attempt after this failure, and how long to wait before.
func (r *retries) next(failure error) (wait time.Duration, again bool) {
	policy := r.chain.cfg.retry
	if !isTransient(failure) {
		return 0, false
	}
	forgiven := r.chain.limiter.forgives(failure, policy.MaxWait)
	if forgiven {
		r.schedule.Reset()
	} else {
		r.attempts++
	}
	wait = min(max(r.schedule.NextBackOff(), policy.MinWait), policy.MaxWait)
	if apiErr, ok := errors.AsType[*Error](failure); ok && apiErr.RetryAfter > 0 {
		wait = apiErr.RetryAfter
	}
	if wait > policy.MaxWait {
		return 0, false
	}
	return wait, forgiven || r.attempts < policy.MaxAttempts && r.chain.quota.take()
}

// isTransient reports whether another attempt may end better than with failure.
func isTransient(failure error) bool {
	if apiErr, ok := errors.AsType[*Error](failure); ok {
		return slices.Contains([]int{
			http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}, apiErr.StatusCode)
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](failure)
	if certificate || isUnsent(failure) || errors.Is(failure, ErrResponseTooLarge) {
		return false
	}
	opinion, ok := errors.AsType[retryable](failure)
	return !ok || opinion.Retryable()
}

// retryable is an error, of middleware for example, that knows whether another attempt may help.
type retryable interface {
	error
	Retryable() bool
}

// parseRetryAfter reads a Retry-After header, seconds or a date (RFC 9110, 10.2.3). What it cannot read, and the past, is 0.
func parseRetryAfter(value string) time.Duration {
	if strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseUint(value, 10, 64) // the largest number, if it is larger; 0 for ""
		return time.Duration(min(seconds, math.MaxInt64/uint64(time.Second))) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(time.Until(date), 0)
}

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

func (q *quota) give() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tokens = min(q.tokens+1, quotaSize)
}
