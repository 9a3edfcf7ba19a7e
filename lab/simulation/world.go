package simulation

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// fault is the failure of a request.
type fault struct {
	status     int // 0: no response until the timeout of the client
	retryAfter int // in seconds; 0: no such header
}

func (f fault) String() string {
	switch {
	case f.status == 0:
		return "hang"
	case f.retryAfter > 0:
		return fmt.Sprintf("%d Retry-After %d", f.status, f.retryAfter)
	}
	return strconv.Itoa(f.status)
}

// rule returns the fault of a request for the SID at index at a time. It returns false if it does
// not apply. The lock of the world is held during the call.
type rule func(w *world, index int, at time.Duration) (fault, bool)

// span is an interval in a run.
type span struct{ from, to time.Duration }

func (s span) contains(at time.Duration) bool { return s.from <= at && at < s.to }

// world is a transport to a failing API. The first rule that applies gives the response. Otherwise
// the request succeeds. Every response takes 50 to 150 ms.
type world struct {
	outage span // every response is a 503
	rules  []rule
	start  time.Time

	mu      sync.Mutex
	random  *rand.Rand
	sent    int           // requests
	during  int           // requests in the outage
	serving int           // requests in flight, without throttled ones
	back    time.Duration // end of the first successful request after the outage
}

const (
	responseTime = 100 * ms // average
	failure      = `{"code":20500,"message":"An internal server error has occurred","status":500}`
)

func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	sid, at := apitest.SIDOf(req), time.Since(w.start)
	f, failed, takes := w.arrive(apitest.Number(sid), at)
	if failed && f.status == 0 {
		<-req.Context().Done()
	} else {
		time.Sleep(takes)
	}
	w.leave(f, failed, at)
	switch {
	case !failed:
		header := http.Header{"Twilio-Request-Id": {"RQ00000000000000000000000000000000"}}
		return answer(req, http.StatusOK, header, `{"sid":"`+sid+`","status":"draft"}`)
	case f.status == 0:
		return nil, req.Context().Err()
	}
	header := make(http.Header)
	if f.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	return answer(req, f.status, header, failure)
}

// arrive counts a request and returns its fault and duration.
func (w *world) arrive(index int, at time.Duration) (f fault, failed bool, takes time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	takes = responseTime/2 + time.Duration(w.random.Int64N(int64(responseTime)+1))
	if w.outage.contains(at) {
		w.during++
		f, failed = fault{status: http.StatusServiceUnavailable}, true
	}
	for i := 0; !failed && i < len(w.rules); i++ {
		f, failed = w.rules[i](w, index, at)
	}
	if f.status != http.StatusTooManyRequests {
		w.serving++
	}
	return f, failed, takes
}

func (w *world) leave(f fault, failed bool, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.status != http.StatusTooManyRequests {
		w.serving--
	}
	if !failed && at >= w.outage.to && w.back == 0 {
		w.back = time.Since(w.start)
	}
}

// always fails the bad SIDs.
func always(bad []bool, f fault) rule {
	return func(_ *world, index int, _ time.Duration) (fault, bool) { return f, bad[index] }
}

// sometimes fails a share of all requests at random.
func sometimes(share float64, f fault) rule {
	return func(w *world, _ int, _ time.Duration) (fault, bool) { return f, w.random.Float64() < share }
}

// flapping alternates between success and failure.
func flapping(each time.Duration, f fault) rule {
	return func(_ *world, _ int, at time.Duration) (fault, bool) { return f, at/each%2 == 1 }
}

// throttled returns a 429 for requests over the limit of the account.
func throttled(slots int) rule {
	return func(w *world, _ int, _ time.Duration) (fault, bool) {
		return fault{status: http.StatusTooManyRequests}, w.serving >= slots
	}
}

// once fails the first request.
func once(f fault) rule {
	return func(w *world, _ int, _ time.Duration) (fault, bool) { return f, w.sent == 1 }
}

func answer(req *http.Request, status int, header http.Header, body string) (*http.Response, error) {
	header["Content-Type"] = []string{apitest.JSON}
	return apitest.Canned(status, header, body)(req)
}
