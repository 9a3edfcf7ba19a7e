package trusthub

import (
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
)

// Stats is what a client is doing at a moment.
type Stats struct {
	Limit       float64       // requests that may be in flight, as found so far; below 1, one every few round trips; 0: no limit
	InFlight    int           // requests that are sent and not answered
	Waiting     int           // calls that wait for their turn
	RetriesLeft int           // of the quota that keeps an outage from multiplying traffic; 100 at most
	Paused      time.Duration // what is left of a pause after a 429
	Holding     bool          // a FetchCustomerProfiles holds in an outage

	LastSuccess  time.Time // when Twilio last answered a request with its verdict, a 404 included; zero: not yet
	FailingSince time.Time // when the first request failed since then; zero while the last verdict is a success
}

// Stats returns a snapshot. It is cheap, and safe to call at any time. Without [WithMaxConcurrency], Limit is the sum of those
// of the FetchCustomerProfiles that are running.
func (c *Client) Stats() Stats {
	own := c.pipeline.limiter.Stats()
	s := Stats{Limit: own.Limit, InFlight: own.InFlight, Waiting: own.Waiting, RetriesLeft: c.pipeline.quota.Left(), Paused: own.Paused}
	b := c.pipeline.batches
	s.LastSuccess, s.FailingSince = c.pipeline.health.read()
	b.mu.Lock()
	defer b.mu.Unlock()
	for batch := range b.all {
		scope := batch.Scope.Stats()
		s.Limit += scope.Limit
		s.Waiting += scope.Waiting + batch.Waiting()
		s.Holding = s.Holding || batch.IsHolding()
	}
	return s
}

// health is how the requests of a client have ended lately.
type health struct {
	mu                        sync.Mutex
	lastSuccess, failingSince time.Time
}

func (h *health) learn(o *attempt.Outcome, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case o.Conclusive():
		h.lastSuccess, h.failingSince = now, time.Time{}
	case h.failingSince.IsZero():
		h.failingSince = now
	}
}

func (h *health) read() (lastSuccess, failingSince time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastSuccess, h.failingSince
}
