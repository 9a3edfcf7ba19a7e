package trusthub

import (
	"context"
	"errors"
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

const (
	fleetConcurrency = 16 // bounds the requests of one FetchCustomerProfiles on a client that has no bound of its own
	leastPlaces      = 8  // of SIDs in hand, so that a few bad neighbours do not look like an outage
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
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		f := newFleet(c)
		defer close(f.left)
		defer f.outage.rest()
		c.chain.fleets.add(f)
		defer c.chain.fleets.remove(f)
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
	outage  *outage
	places  chan struct{} // one for each SID that is pulled and not yet yielded
	results chan FetchResult
	left    chan struct{} // closed when nobody reads results any more

	mu       sync.Mutex
	closed   bool // nothing more is pulled
	pending  int  // the pulling, and the SIDs without a result
	panicked any  // by the input, or by middleware
}

func newFleet(c *Client) *fleet {
	bound, window := float64(c.chain.cfg.maxConcurrency), math.Inf(1)
	if bound == 0 {
		bound, window = fleetConcurrency, fleetConcurrency
	}
	f := &fleet{
		limiter: newLimiter(window, c.chain.cfg.retry.MaxWait),
		places:  make(chan struct{}, int(min(max(2*bound, leastPlaces), 1<<16))), // so that those who wait to try again leave no turn unused
		results: make(chan FetchResult),
		left:    make(chan struct{}),
		pending: 1, // the pulling, until close
	}
	f.outage = newOutage(c.chain.cfg, f.limiter, f.close)
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
		return f.outage.awaitPull(ctx) && ctx.Err() == nil
	case <-f.outage.over:
	case <-ctx.Done():
	}
	return false
}

// open adds a fetch to those that are pending, unless the results are complete. The outage is told without the lock, which it
// takes while it holds its own.
func (f *fleet) open() bool {
	f.mu.Lock()
	late := f.pending == 0
	if !late {
		f.pending++
	}
	f.mu.Unlock()
	if !late {
		f.outage.add()
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
	if f.panicked == nil {
		f.panicked = value
	}
}

// fetch yields the result of one SID, also when a transport ends its goroutine, as a mock that calls t.Fatal does. A panic is
// raised where the loop runs.
func (f *fleet) fetch(ctx context.Context, index int, sid string) {
	result := FetchResult{SID: sid, Index: index, Err: errGoexit}
	defer func() {
		value := recover()
		result.Err = f.outage.remove(result.Err)
		if value != nil {
			f.panics(value)
			f.close()
		} else {
			f.yield(result)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.done()
	}()
	result.Profile, result.Err = f.client.FetchCustomerProfile(ctx, sid, WithResponseInto(&result.Response))
}

var errGoexit = errors.New("trusthub: the transport ended its goroutine")

func (f *fleet) yield(result FetchResult) {
	select {
	case f.results <- result:
		<-f.places
	case <-f.left:
	}
}
