package trusthub

import (
	"fmt"
	"time"

	"github.com/seed07fc1495/trusthub/internal/retry"
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

// perCall is the part that concerns a single call.
func (p RetryPolicy) perCall() retry.Policy {
	return retry.Policy{MaxAttempts: p.MaxAttempts, MinWait: p.MinWait, MaxWait: p.MaxWait}
}
