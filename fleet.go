package trusthub

import (
	"context"
	"iter"
	"sync"
)

// FetchResult is the outcome for one SID of [Client.FetchCustomerProfiles]: exactly one of Profile and Err is set.
type FetchResult struct {
	SID     string
	Profile *CustomerProfile
	Err     error
}

// fleetConcurrency bounds the requests of one FetchCustomerProfiles on a client that has no bound of its own.
const fleetConcurrency = 16

// FetchCustomerProfiles fetches many profiles at a time and yields them as they complete, in any order. Requests in flight
// are as many as [WithMaxConcurrency] and the account's limit permit; without that option, each call has a bound of its own
// of 16. Each SID that is pulled yields one result, with the errors of [Client.FetchCustomerProfile]; one that comes twice is
// fetched twice.
//
// The SIDs are pulled as they are needed, at most two for each request that the bound permits, and on another goroutine, so
// that neither a slow input holds up finished results nor a long one takes memory. A loop body that is slow holds up new
// requests in turn. Leaving the loop ends the requests in flight. So does the end of ctx: they yield its error, and the loop
// ends, without waiting for a pull that is under way.
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
	}
}

// fleet is one call of FetchCustomerProfiles.
type fleet struct {
	client  *Client
	places  chan struct{} // one for each SID that is pulled and not yet yielded
	results chan FetchResult
	left    chan struct{} // closed when nobody reads results any more

	mu      sync.Mutex
	closed  bool // no more SIDs are fetched
	pending sync.WaitGroup
}

func newFleet(c *Client) *fleet {
	if c.chain.limiter == nil {
		c = c.limited(fleetConcurrency)
	}
	return &fleet{
		client:  c,
		places:  make(chan struct{}, int(min(2*c.chain.limiter.max, 1<<16))), // so that those who wait to try again leave no turn unused
		results: make(chan FetchResult),
		left:    make(chan struct{}),
	}
}

// run starts a fetch for each SID, and closes the results when all are fetched, or ctx has ended and all that were started
// are done.
func (f *fleet) run(ctx context.Context, sids iter.Seq[string]) {
	f.pending.Add(1) // the pulling itself, until close
	stop := context.AfterFunc(ctx, f.close)
	defer stop()
	go func() {
		f.pending.Wait()
		close(f.results)
	}()
	defer f.close()
	if !f.reserve(ctx) {
		return
	}
	for sid := range sids {
		if !f.open() {
			return
		}
		go f.fetch(ctx, sid)
		if !f.reserve(ctx) {
			return
		}
	}
}

// reserve waits for a place before a SID is pulled, so that no SID is pulled in vain.
func (f *fleet) reserve(ctx context.Context) bool {
	select {
	case f.places <- struct{}{}:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// open adds a fetch to those that are pending, unless it is too late.
func (f *fleet) open() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.pending.Add(1)
	}
	return !f.closed
}

func (f *fleet) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.pending.Done()
	}
}

func (f *fleet) fetch(ctx context.Context, sid string) {
	defer f.pending.Done()
	profile, err := f.client.FetchCustomerProfile(ctx, sid)
	select {
	case f.results <- FetchResult{SID: sid, Profile: profile, Err: err}:
		<-f.places
	case <-f.left:
	}
}
