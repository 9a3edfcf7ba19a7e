// Package simulation runs real clients in virtual time. Clients that share an account chose the
// constants of the limiter; their table and their picture are in docs/SCALE.md:
//
//	make simulate
//
// Batches against APIs with faults chose the rules of FetchCustomerProfiles and their constants;
// their table is in docs/BATCH.md:
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

// account is a transport to an account that permits some requests at a time and refuses the others
// at once.
type account struct {
	travel, service time.Duration // both ways together; on average
	retryAfter      time.Duration // said by a refusal; 0: nothing
	from            time.Time     // when counting begins

	mu       sync.Mutex
	random   *rand.Rand
	slots    int
	inFlight int
	served   int
	early    int // refused before counting began
	refused  int
	used     time.Duration // the time served
	offered  time.Duration // the slots, times the time for which there were so many
	since    time.Time     // the slots are so many
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

// enter takes a slot for half to one and a half of the average time, or counts a refusal.
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

// permit changes the number of slots, from now on.
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
