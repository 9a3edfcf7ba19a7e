package apitest

import (
	"net/http"
	"sync"
	"time"
)

// Account is a server with a response time and a limit of concurrent requests, beyond which it
// answers 429 at once. It is a transport, too.
type Account struct {
	mu              sync.Mutex
	limit, inFlight int
	takes           time.Duration
	stats           AccountStats
}

// AccountStats are the counters of an account.
type AccountStats struct {
	Served    int // responses with a profile
	Throttled int // responses with 429
	Highest   int // number of requests in flight
}

// ThrottledShare returns the share of requests that got a 429.
func (s AccountStats) ThrottledShare() float64 {
	return float64(s.Throttled) / float64(s.Served+s.Throttled)
}

// NewAccount returns an account that permits limit requests at a time and takes a while for each.
func NewAccount(limit int, takes time.Duration) *Account { return &Account{limit: limit, takes: takes} }

// SetLimit changes the limit.
func (a *Account) SetLimit(limit int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limit = limit
}

// Stats returns the counters.
func (a *Account) Stats() AccountStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stats
}

func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !a.enter() {
		Answer(http.StatusTooManyRequests, JSON, `{"code":20429}`)(w, r)
		return
	}
	time.Sleep(a.takes)
	a.leave()
	Answer(http.StatusOK, JSON, Profile)(w, r)
}

// RoundTrip answers without a connection.
func (a *Account) RoundTrip(req *http.Request) (*http.Response, error) {
	return Handled(a.ServeHTTP)(req)
}

func (a *Account) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight >= a.limit {
		a.stats.Throttled++
		return false
	}
	a.inFlight++
	a.stats.Highest = max(a.stats.Highest, a.inFlight)
	return true
}

func (a *Account) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight--
	a.stats.Served++
}
