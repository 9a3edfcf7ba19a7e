package trusthub

import (
	"sync"
	"time"
)

// Stats is what a client is doing at a moment.
type Stats struct {
	Limit       float64       // requests that may be in flight, as found so far; below 1, one every few round trips; 0: no limit
	InFlight    int           // requests that are sent and not answered
	Waiting     int           // calls that wait for their turn
	RetriesLeft int           // of the quota that keeps an outage from multiplying traffic; 100 at most
	Paused      time.Duration // what is left of a pause after a 429
	Holding     bool          // a FetchCustomerProfiles holds in an outage
}

// Stats returns a snapshot. It is cheap, and safe to call at any time. Without [WithMaxConcurrency], Limit is the sum of those
// of the FetchCustomerProfiles that are running.
func (c *Client) Stats() Stats {
	s := c.chain.limiter.stats()
	s.RetriesLeft = c.chain.quota.left()
	c.chain.fleets.each(func(f *fleet) {
		own := f.limiter.stats()
		s.Limit += own.Limit
		s.Waiting += own.Waiting
		s.Holding = s.Holding || f.outage.isHolding()
	})
	return s
}

func (l *limiter) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{InFlight: l.inFlight, Waiting: l.line.Len(), Paused: max(time.Until(l.pausedTo), 0)}
	if l.window.isBounded() {
		s.Limit = l.window.limit
	}
	return s
}

// fleets are those that are running.
type fleets struct {
	mu  sync.Mutex
	all map[*fleet]struct{}
}

func (f *fleets) add(one *fleet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = make(map[*fleet]struct{})
	}
	f.all[one] = struct{}{}
}

func (f *fleets) remove(one *fleet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, one)
}

func (f *fleets) each(do func(*fleet)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one := range f.all {
		do(one)
	}
}
