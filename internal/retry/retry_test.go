package retry_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/retry"
)

// Waits double, with a jitter of up to the same again, between MinWait and MaxWait.
func TestBackoff(t *testing.T) {
	for name, test := range map[string]struct{ minimum, maximum time.Duration }{
		"default": {200 * time.Millisecond, 10 * time.Second},
		"short":   {100 * time.Millisecond, 500 * time.Millisecond},
		"narrow":  {time.Second, 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			seen, longest := make(map[time.Duration]bool), time.Duration(0)
			backoff := retry.NewBackoff(test.minimum, test.maximum)
			for range 20 {
				for i := range 11 {
					wait := backoff.Next()
					least := max(min(test.minimum<<i, test.maximum/2), test.minimum)
					if most := min(2*least, test.maximum); wait < least || wait > most {
						t.Errorf("wait %d is %v, want %v to %v", i, wait, least, most)
					}
					seen[wait], longest = true, max(longest, wait)
				}
				backoff.Reset()
			}
			if len(seen) < 100 {
				t.Errorf("%d different waits in 220: no jitter", len(seen))
			}
			if longest < test.maximum*19/20 {
				t.Errorf("none of 220 waits is longer than %v", longest)
			}
		})
	}
}

// With equal minimum and maximum, all waits are equal.
func TestBackoffWithoutSpread(t *testing.T) {
	for _, wait := range []time.Duration{time.Nanosecond, time.Second} {
		backoff := retry.NewBackoff(wait, wait)
		for range 4 {
			if got := backoff.Next(); got != wait {
				t.Errorf("got %v, want %v", got, wait)
			}
		}
	}
}

func TestQuota(t *testing.T) {
	quota := retry.NewQuota()
	take := func() (taken int) {
		for quota.Take() {
			taken++
		}
		return taken
	}
	if left, taken := quota.Left(), take(); left != 100 || taken != 100 || quota.Left() != 0 {
		t.Errorf("%d left and %d taken at first, %d left then", left, taken, quota.Left())
	}
	for range 54 { // one retry per five successes
		quota.Earn()
	}
	if left, taken := quota.Left(), take(); left != 10 || taken != 10 {
		t.Errorf("%d left and %d taken after 54 successes", left, taken)
	}
	quota.Earn() // the fifth success
	if quota.Left() != 1 {
		t.Errorf("%d left after 55 successes", quota.Left())
	}
	for range 1000 {
		quota.Earn()
	}
	if quota.Left() != 100 {
		t.Errorf("%d left after 1000 successes", quota.Left())
	}
}

var policy = retry.Policy{MaxAttempts: 3, MinWait: time.Second, MaxWait: 10 * time.Second}

// The decision after the first failure of a call.
func TestFirstFailure(t *testing.T) {
	for name, test := range map[string]struct {
		outcome    attempt.Outcome
		throttling limiter.Throttling
		again      bool
		from, to   time.Duration // of the wait
	}{
		"transient":                           {attempt.Outcome{Kind: attempt.Transient}, limiter.Throttling{}, true, time.Second, 2 * time.Second},
		"transient, Retry-After":              {attempt.Outcome{Kind: attempt.Transient, RetryAfter: 10 * time.Second}, limiter.Throttling{}, true, 10 * time.Second, 10 * time.Second},
		"transient, Retry-After over MaxWait": {attempt.Outcome{Kind: attempt.Transient, RetryAfter: 11 * time.Second}, limiter.Throttling{}, false, 0, 0},
		"throttled":                           {attempt.Outcome{Kind: attempt.Throttled}, limiter.Throttling{Paused: true}, true, time.Second, 2 * time.Second},
		// Here, the limiter waits.
		"throttled, Retry-After":                 {attempt.Outcome{Kind: attempt.Throttled, RetryAfter: 5 * time.Second}, limiter.Throttling{Paused: true}, true, 0, 0},
		"throttled, Retry-After without a pause": {attempt.Outcome{Kind: attempt.Throttled, RetryAfter: 5 * time.Second}, limiter.Throttling{}, true, 5 * time.Second, 5 * time.Second},
		"throttled, Retry-After over MaxWait":    {attempt.Outcome{Kind: attempt.Throttled, RetryAfter: 11 * time.Second}, limiter.Throttling{Paused: true}, false, 0, 0},
		"succeeded":                              {attempt.Outcome{Kind: attempt.Succeeded}, limiter.Throttling{}, false, 0, 0},
		"rejected":                               {attempt.Outcome{Kind: attempt.Rejected}, limiter.Throttling{}, false, 0, 0},
		"rejected, Retry-After":                  {attempt.Outcome{Kind: attempt.Rejected, RetryAfter: time.Second}, limiter.Throttling{}, false, 0, 0},
		"final":                                  {attempt.Outcome{Kind: attempt.Final}, limiter.Throttling{}, false, 0, 0},
		"gateway":                                {attempt.Outcome{Kind: attempt.Gateway}, limiter.Throttling{}, false, 0, 0},
		"unauthorized":                           {attempt.Outcome{Kind: attempt.Unauthorized}, limiter.Throttling{}, false, 0, 0},
		"fatal":                                  {attempt.Outcome{Kind: attempt.Fatal}, limiter.Throttling{}, false, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			call := retry.NewCall(policy, retry.NewQuota(), nil)
			got := call.Next(&test.outcome, test.throttling)
			if got.Again != test.again || got.Wait < test.from || got.Wait > test.to {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A call ends after MaxAttempts, or when the quota is used up.
func TestCallGivesUp(t *testing.T) {
	down := &attempt.Outcome{Kind: attempt.Transient}
	quota := retry.NewQuota()
	for call := range 51 { // with two retries each
		want := 3
		if call == 50 {
			want = 1
		}
		state := retry.NewCall(policy, quota, nil)
		attempts := 1
		for state.Next(down, limiter.Throttling{}).Again {
			attempts++
		}
		if attempts != want {
			t.Errorf("call %d: %d attempts, want %d", call, attempts, want)
		}
	}
	single := retry.NewCall(retry.Policy{MaxAttempts: 1, MinWait: 1, MaxWait: 1}, retry.NewQuota(), nil)
	if single.Next(down, limiter.Throttling{}).Again {
		t.Error("MaxAttempts 1 permits a second attempt")
	}
}

// While other requests succeed, a 429 uses no attempt, up to 50 times. This ends when the last
// success is longer ago than MaxWait.
func TestThrottledWhileOthersSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiter.New(16, time.Second)
		succeed := func() {
			var ticket limiter.Ticket
			if err := l.Acquire(t.Context(), &ticket); err != nil {
				t.Fatal(err)
			}
			l.Release(&ticket, &attempt.Outcome{Kind: attempt.Succeeded, Took: time.Millisecond})
		}
		quota := retry.NewQuota()
		call := retry.NewCall(retry.Policy{MaxAttempts: 1, MinWait: time.Second, MaxWait: 10 * time.Second}, quota, l)
		throttled := &attempt.Outcome{Kind: attempt.Throttled}
		for times := range 60 {
			succeed()
			time.Sleep(9 * time.Second)
			got := call.Next(throttled, limiter.Throttling{Paused: true, Times: times})
			if want := times < 50; got.Again != want || got.Wait != 0 {
				t.Fatalf("%d times: got %+v", times, got)
			}
		}
		if got := call.Next(throttled, limiter.Throttling{Behind: true, Paused: true}); !got.Again || got.Wait < time.Second || got.Wait > 2*time.Second {
			t.Errorf("at the back of the queue: got %+v", got)
		}
		asks := &attempt.Outcome{Kind: attempt.Throttled, RetryAfter: 5 * time.Second}
		if got := call.Next(asks, limiter.Throttling{Behind: true}); !got.Again || got.Wait != 5*time.Second {
			t.Errorf("isolated: got %+v", got)
		}
		if quota.Left() != 100 {
			t.Errorf("%d retries left", quota.Left())
		}
		time.Sleep(2 * time.Second) // 11 s after the last success
		if got := call.Next(throttled, limiter.Throttling{Paused: true}); got.Again {
			t.Errorf("long after the last success: got %+v", got)
		}
	})
}
