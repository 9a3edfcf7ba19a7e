package trusthub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/seed07fc1495/trusthub/internal/sleep"
	"github.com/seed07fc1495/trusthub/internal/transport"
)

// WatchCustomerProfile yields the profile, and again each time that one of its documented
// properties has changed. It polls at intervals of every, 10% more or less, or after a longer
// Retry-After, which counts up to an hour. Each poll retries as a fetch does.
//
// Errors are yielded, and watching continues, even after errors that are not retryable, since the
// cause may be fixed before the next poll. It ends after [ErrUnauthorized], [ErrForbidden],
// [ErrNotFound] and [ErrInvalidSID]. A gateway's 404 is none of them ([Error.FromTwilio]). It also
// ends with the error of ctx, and for an interval that is not positive.
func (c *Client) WatchCustomerProfile(ctx context.Context, sid string, every time.Duration) iter.Seq2[*CustomerProfile, error] {
	return func(yield func(*CustomerProfile, error) bool) {
		if every <= 0 {
			yield(nil, fmt.Errorf("trusthub: WatchCustomerProfile: the interval %v is not positive", every))
			return
		}
		every = min(every, math.MaxInt64/2) // leaves room for the 10%
		var seen []byte
		for {
			profile, err := c.FetchCustomerProfile(ctx, sid)
			switch {
			case err != nil && ctx.Err() != nil:
				yield(nil, ctx.Err())
				return
			case err != nil:
				if !yield(nil, err) || isFinal(err) {
					return
				}
			default:
				now, changed := compare(seen, profile)
				if seen = now; changed && !yield(profile, nil) {
					return
				}
			}
			wait := every - every/10 + rand.N(every/5+1) //nolint:gosec // G404: spreads load, guards nothing
			if sleep.For(ctx, max(wait, retryAfter(err))) != nil {
				yield(nil, ctx.Err())
				return
			}
		}
	}
}

func isFinal(err error) bool {
	return errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalidSID)
}

// compare reports whether a profile differs from the one seen before, by its JSON: null and empty
// are the same, and undocumented properties are left out.
func compare(seen []byte, profile *CustomerProfile) (now []byte, changed bool) {
	now, err := json.Marshal(profile, json.Deterministic(true))
	return now, err != nil || !bytes.Equal(seen, now)
}

func retryAfter(err error) time.Duration {
	if apiErr, ok := errors.AsType[*Error](err); ok {
		return min(apiErr.RetryAfter, transport.MaxRetryAfter)
	}
	return 0
}
