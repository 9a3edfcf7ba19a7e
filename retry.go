package trusthub

import (
	"fmt"
	"time"

	"github.com/seed07fc1495/trusthub/internal/retry"
)

// RetryPolicy sets the number of attempts of a call and the waits between them. Zero fields mean
// the defaults: 3 attempts, and waits from 200 ms to 10 s.
//
// Waits start at MinWait to twice that, at random, and double until MaxWait. A Retry-After header
// replaces the wait, unless it is 0 or a date in the past. If it asks for more than MaxWait, the
// call returns its error at once, with RetryAfter set.
//
// A 429 that costs no attempt takes no retry from the retry quota. Neither does
// [Client.FetchCustomerProfiles], which has its own rules.
type RetryPolicy struct {
	MaxAttempts int           // including the first; 1: no retries
	MinWait     time.Duration // 0: 200 ms, or MaxWait if that is shorter
	MaxWait     time.Duration // 0: 10 s, or MinWait if that is longer
}

const (
	defaultMaxAttempts = 3
	defaultMinWait     = 200 * time.Millisecond
	defaultMaxWait     = 10 * time.Second
)

func (p RetryPolicy) withDefaults() (retry.Policy, error) {
	if p.MaxAttempts < 0 || p.MinWait < 0 || p.MaxWait < 0 {
		return retry.Policy{}, fmt.Errorf("negative values in %+v", p)
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
		return retry.Policy{}, fmt.Errorf("MinWait %v is longer than MaxWait %v", p.MinWait, p.MaxWait)
	}
	return retry.Policy(p), nil
}
