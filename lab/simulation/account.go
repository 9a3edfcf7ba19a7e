// Package simulation runs real clients in virtual time. The simulation of clients that share an
// account determined the constants of the limiter. Its table and picture are in docs/SCALE.md:
//
//	make simulate
//
// The simulation of batches with failing APIs determined the rules and constants of
// FetchCustomerProfiles. Its table is in docs/BATCH.md:
//
//	make grid
package simulation

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// account is a transport to an account with a limit of concurrent requests. It throttles the others
// at once.
type account struct {
	travel, service time.Duration // travel: both ways; service: average
	retryAfter      time.Duration // of a 429; 0: no header
	from            time.Time     // start of the measured time

	mu       sync.Mutex
	random   *rand.Rand
	slots    int
	inFlight int
	served   int
	early    int // throttled before the measured time
	refused  int
	used     time.Duration // total time of service
	offered  time.Duration // number of slots, multiplied by the time
	since    time.Time     // last change of slots
}

func (a *account) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(a.travel / 2)
	defer time.Sleep(a.travel / 2)
	start := time.Now()
	takes, ok := a.enter(start)
	if !ok {
		header := make(http.Header)
		if a.retryAfter > 0 {
			header.Set("Retry-After", strconv.Itoa(int(a.retryAfter.Seconds())))
		}
		return answer(req, http.StatusTooManyRequests, header, `{"code":20429,"message":"Too many requests","status":429}`)
	}
	time.Sleep(takes)
	a.leave(start)
	return answer(req, http.StatusOK, make(http.Header), `{"status":"draft"}`)
}

// enter takes a slot for 50% to 150% of the average time, or counts a 429.
func (a *account) enter(now time.Time) (takes time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight >= a.slots {
		if now.Before(a.from) {
			a.early++
		} else {
			a.refused++
		}
		return 0, false
	}
	a.inFlight++
	return a.service/2 + time.Duration(a.random.Int64N(int64(a.service)+1)), true
}

func (a *account) leave(start time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight--
	if start.Before(a.from) {
		start = a.from
	}
	if now := time.Now(); now.After(a.from) {
		a.served++
		a.used += now.Sub(start)
	}
}

// permit changes the number of slots.
func (a *account) permit(slots int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.since.Before(a.from) {
		a.since = a.from
	}
	a.offered += max(now.Sub(a.since), 0) * time.Duration(a.slots)
	a.slots, a.since = slots, now
}
