package trusthub

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/fanout"
	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/outage"
)

// FetchResult is the outcome for one SID of [Client.FetchCustomerProfiles]: exactly one of Profile and Err is set.
type FetchResult struct {
	SID      string
	Index    int // the place of the SID in the input, from 0
	Profile  *CustomerProfile
	Err      error
	Response Response // what came over HTTP, as by [WithResponseInto]
}

const (
	batchConcurrency = 16 // bounds the requests of one FetchCustomerProfiles on a client that has no bound of its own
	leastAhead       = 8  // SIDs in hand, so that a few bad neighbours do not look like an outage
)

// FetchCustomerProfiles fetches many profiles at a time and yields them as they complete, in any order. Requests in flight
// are as many as [WithMaxConcurrency] and the account's limit permit; without that option, each call has a bound of its own
// of 16. Each SID that is pulled yields one result; one that comes twice is fetched twice.
//
// A 429 costs time, never a profile. Nor does an outage:
//
//   - It begins when every attempt since the last success failed by no answer, a time-out, a 5xx or a Retry-After beyond MaxWait,
//     and they were for at least two SIDs or for the only one in hand.
//   - Meanwhile one request at a time probes, for another SID each time, at intervals that grow to MaxWait. No SID is pulled,
//     but for a second one beside a single one.
//   - When a probe succeeds, what had failed is fetched again as the same call, and the rest goes on.
//   - After MaxOutage without a success (see [RetryPolicy]), what is in hand is yielded with its own errors, which are
//     [ErrOutage] as well, and the loop ends.
//
// A SID that fails in this way while requests that were sent after it succeed yields its error after MaxAttempts; one that is
// answered 429 while others succeed, after 50 times.
//
// What is refused for all ends the loop: credentials ([ErrUnauthorized]), a certificate, an [Auth] that fails for good. What
// is in flight is yielded, and what was pulled and not sent yields the error that ended the loop. With an Auth other than
// [BasicAuth], a request that gets a 401 is signed and sent once more before that.
//
// SIDs are pulled as they are needed, at most two for each request that the bound permits, or 8, so that neither a slow input
// holds up finished results nor a long one takes memory. A loop body that is slow holds up new requests in turn. Leaving the loop
// ends the requests in flight. So does the end of ctx: they yield its error, and the loop ends, without waiting for a pull
// that is under way.
//
// Whether all came is known by counting: the loop may have ended before the input did, by ctx, by an outage, or by what is refused
// for all, of which the results tell. The example that resumes shows what to keep.
//
// sids runs on another goroutine, at the same time as the loop body. What both of them touch, such as a map of the SIDs that
// are done or a slice that the input appends to, is a data race, and reading after the loop what the input has written is one, too,
// when the loop may have ended first. [FetchResult].Index finds what belongs to a SID in a slice that was complete before the loop.
// After break, sids is not waited for: its next yield returns false. A panic in sids is raised again, with the same value,
// where the loop runs, after the results in hand, and so is one in middleware; after break it is dropped.
func (c *Client) FetchCustomerProfiles(ctx context.Context, sids iter.Seq[string]) iter.Seq[FetchResult] {
	return func(yield func(FetchResult) bool) {
		bound, window := float64(c.pipeline.cfg.maxConcurrency), math.Inf(1)
		if bound == 0 {
			bound, window = batchConcurrency, batchConcurrency
		}
		ahead := int(min(max(2*bound, leastAhead), 1<<16)) // so that those who wait to try again leave no slot unused
		var guard *outage.Guard
		stream := fanout.New(ahead, func(ctx context.Context, index int, sid string, result *FetchResult) {
			*result = FetchResult{SID: sid, Index: index, Err: errGoexit}
			defer func() { result.Err = markOutage(result.Err, guard.Remove()) }()
			result.Profile, result.Err = c.fetchCustomerProfile(ctx, guard, sid, callOptions{&result.Response})
		})
		guard = c.pipeline.newGuard(c.pipeline.limiter.NewBatch(window), stream.Stop)
		defer guard.Close()
		c.pipeline.batches.add(guard)
		defer c.pipeline.batches.remove(guard)
		stream.Run(ctx, guard, sids, yield)
	}
}

var errGoexit = errors.New("trusthub: the transport ended its goroutine")

func (p *pipeline) newGuard(gate *limiter.Scope, stop func()) *outage.Guard {
	_, static := p.cfg.auth.(basicAuth)
	cfg := outage.Config{
		Gate: gate, Retry: p.cfg.retry.perCall(), MaxOutage: p.cfg.retry.MaxOutage, Grace: p.cfg.timeout, CanReauth: !static, Stop: stop,
		NewError: func(err error, outage time.Duration) error { return &endedError{err, outage} },
	}
	if logger := p.cfg.logger; logger != nil {
		cfg.OnChange = func(begun bool, cause error) {
			level, message := slog.LevelInfo, "trusthub: the outage is over"
			if begun {
				level, message = slog.LevelWarn, "trusthub: holding in an outage"
			}
			logger.LogAttrs(context.Background(), level, message, slog.String("reason", string(reasonOf(cause))))
		}
	}
	return outage.New(cfg)
}

// batches are those that are running.
type batches struct {
	mu  sync.Mutex
	all map[*outage.Guard]struct{}
}

func (b *batches) add(one *outage.Guard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = make(map[*outage.Guard]struct{})
	}
	b.all[one] = struct{}{}
}

func (b *batches) remove(one *outage.Guard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, one)
}
