package trusthub

import (
	"context"
	"iter"
	"math"
	"sync"
)

// FetchResult is the outcome for one SID of [Client.FetchCustomerProfiles]: exactly one of Profile and Err is set.
type FetchResult struct {
	SID      string
	Index    int // the place of the SID in the input, from 0
	Profile  *CustomerProfile
	Err      error
	Response Response // what came over HTTP, as by [WithResponseInto]
}

// fleetConcurrency bounds the requests of one FetchCustomerProfiles on a client that has no bound of its own.
const fleetConcurrency = 16

// FetchCustomerProfiles fetches many profiles at a time and yields them as they complete, in any order. Requests in flight
// are as many as [WithMaxConcurrency] and the account's limit permit; without that option, each call has a bound of its own
// of 16. Each SID that is pulled yields one result; one that comes twice is fetched twice.
//
// A 429 costs time, never a profile. In an outage (every attempt since the last success failed with no answer, a time-out, a
// 5xx or a Retry-After beyond MaxWait, of at least two SIDs or of the only one in hand) nothing is lost either: no SID is pulled,
// one request at a time probes, at growing intervals up to MaxWait, and after a success what had failed is fetched again. After
// MaxOutage of [RetryPolicy] without a success, what is in hand is yielded with its errors, which are then [ErrOutage] too, and
// the loop ends. A SID that fails while others succeed yields its error after MaxAttempts, or 50 times 429.
//
// What is refused for all ends the loop at once: credentials ([ErrUnauthorized]), a certificate, an [Auth] that fails for good.
// What is in flight is yielded; what was pulled and not sent is yielded with the error that ended the loop. Credentials of another
// Auth than [BasicAuth] are first signed and sent once more.
//
// The SIDs are pulled as they are needed, at most two for each request that the bound permits, so that neither a slow input holds
// up finished results nor a long one takes memory. A loop body that is slow holds up new requests in turn. Leaving the loop ends the
// requests in flight. So does the end of ctx: they yield its error, and the loop ends, without waiting for a pull that is under way.
//
// # The input runs on a goroutine of its own
//
// sids is called on another goroutine and runs at the same time as the loop body. What both of them touch, such as a map of SIDs that
// are done, needs a lock, or is better read before the loop begins. [FetchResult].Index tells the place in the input, so that a slice beside it needs
// neither. After break, sids goes on until it next calls yield, which then returns false, and nobody waits for that. A panic in sids is raised again, with its value,
// where the loop runs, after the results in hand; after break it is dropped.
//
// # Whether all came
//
// The loop has seen the whole input unless ctx has ended (ctx.Err() after the loop), a result was [ErrOutage] or [ErrUnauthorized] or another
// error that is refused for all, or the loop was left. To resume, leave out the SIDs that had a result with a profile or a final error ([IsRetryable]).
func (c *Client) FetchCustomerProfiles(ctx context.Context, sids iter.Seq[string]) iter.Seq[FetchResult] {
	return func(yield func(FetchResult) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		f := newFleet(c)
		defer close(f.left)
		go f.run(ctx, sids)
		for result := range f.results {
			if !yield(result) {
				return
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.panicked != nil {
			panic(f.panicked)
		}
	}
}

// fleet is one call of FetchCustomerProfiles.
type fleet struct {
	client  *Client
	limiter *limiter // in front of the client's: holds in an outage, and bounds the requests when that one does not
	health  *health
	places  chan struct{} // one for each SID that is pulled and not yet yielded
	results chan FetchResult
	left    chan struct{} // closed when nobody reads results any more

	mu       sync.Mutex
	closed   bool // nothing more is pulled
	pending  int  // the pulling, and the SIDs without a result
	panicked any  // by the input
}

func newFleet(c *Client) *fleet {
	bound, window := float64(c.chain.cfg.maxConcurrency), math.Inf(1)
	if bound == 0 {
		bound, window = fleetConcurrency, fleetConcurrency
	}
	f := &fleet{
		limiter: newLimiter(window),
		places:  make(chan struct{}, int(min(2*bound, 1<<16))), // so that those who wait to try again leave no turn unused
		results: make(chan FetchResult),
		left:    make(chan struct{}),
		pending: 1, // the pulling, until close
	}
	f.health = newHealth(c.chain.cfg, f.limiter, f.close)
	chain := *c.chain
	chain.fleet = f
	f.client = newClientOver(&chain)
	return f
}

// run starts a fetch for each SID, until there are no more or no more are wanted.
func (f *fleet) run(ctx context.Context, sids iter.Seq[string]) {
	stop := context.AfterFunc(ctx, f.close)
	defer stop()
	defer f.close()
	defer func() { f.panics(recover()) }()
	if !f.reserve(ctx) {
		return
	}
	index := 0
	for sid := range sids {
		if !f.open() {
			return
		}
		go f.fetch(ctx, index, sid)
		index++
		if !f.reserve(ctx) {
			return
		}
	}
}

// reserve waits for a place before a SID is pulled, so that no SID is pulled in vain, and for the end of an outage.
func (f *fleet) reserve(ctx context.Context) bool {
	select {
	case f.places <- struct{}{}:
		return f.health.await(ctx, func() bool { return !f.health.holds() }) && ctx.Err() == nil
	case <-f.health.over:
	case <-ctx.Done():
	}
	return false
}

// open adds a fetch to those that are pending, unless the results are complete.
func (f *fleet) open() bool {
	f.mu.Lock()
	late := f.pending == 0
	if !late {
		f.pending++
	}
	f.mu.Unlock()
	if !late {
		f.health.add()
	}
	return !late
}

// close ends the pulling. A pull that is under way is not waited for.
func (f *fleet) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.done()
	}
}

// done closes the results when nothing is pending.
func (f *fleet) done() {
	if f.pending--; f.pending == 0 {
		close(f.results)
	}
}

func (f *fleet) panics(value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.panicked = value
}

func (f *fleet) fetch(ctx context.Context, index int, sid string) {
	result := FetchResult{SID: sid, Index: index}
	result.Profile, result.Err = f.client.FetchCustomerProfile(ctx, sid, WithResponseInto(&result.Response))
	result.Err = f.health.remove(result.Err)
	select {
	case f.results <- result:
		<-f.places
	case <-f.left:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done()
}
