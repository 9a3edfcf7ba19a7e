package apitest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// World is a transport to an API with random outages, in which the time of the response counts.
type World struct {
	Windows []Downtime
	Takes   time.Duration // the average response time

	scene    *Scene // has the start and the requests sent
	mu       sync.Mutex
	rng      *rand.Rand
	inFlight int
	highest  int
	pauses   []Pause
}

// Downtime is an outage.
type Downtime struct {
	From, To time.Duration
	Kind     string
	Early    bool // requests in flight at the start of the outage fail, too
}

// Pause is a time in which a Retry-After asks for no requests.
type Pause struct{ From, To time.Duration }

// NewWorld returns an API with some outages, each within gap of the one before, and one second to
// length and a second long.
func NewWorld(rng *rand.Rand, outages int, gap, length time.Duration) *World {
	kinds := []string{"503", "slow 503", "503 asks", "refused", "torn", "hang", "429", "429 asks", "429 asks much"}
	takes := []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond}[rng.IntN(3)]
	w := &World{Takes: takes, rng: rng, scene: NewScene(0, nil)}
	at := time.Duration(0)
	for range outages {
		at += time.Duration(rng.Int64N(int64(gap)))
		to := at + time.Second + time.Duration(rng.Int64N(int64(length)))
		w.Windows = append(w.Windows, Downtime{at, to, kinds[rng.IntN(len(kinds))], rng.IntN(2) == 0})
		at = to
	}
	return w
}

func (w *World) String() string { return fmt.Sprintf("takes %v, %v", w.Takes, w.Windows) }

// Elapsed returns the time since the beginning.
func (w *World) Elapsed() time.Duration { return w.scene.Elapsed() }

// Between counts the requests in a part of the time.
func (w *World) Between(from, to time.Duration) int { return w.scene.Between(from, to) }

// Highest returns the highest number of requests in flight.
func (w *World) Highest() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.highest
}

// Pauses returns the pauses that responses have asked for.
func (w *World) Pauses() []Pause {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pauses
}

// RoundTrip implements http.RoundTripper.
func (w *World) RoundTrip(req *http.Request) (*http.Response, error) {
	now, takes, quick := w.enter(req)
	defer w.leave()
	in := w.at(now)
	if in == nil {
		if in = w.at(now + takes); in != nil && !in.Early {
			in = nil
		} else if in != nil {
			time.Sleep(in.From - now)
		}
	}
	if in == nil {
		return After(takes, OK())(req)
	}
	switch in.Kind {
	case "503":
		return After(quick, Unavailable())(req)
	case "slow 503":
		return After(10*takes, Unavailable())(req)
	case "503 asks":
		return After(quick, Handled(Asking(http.StatusServiceUnavailable, "20")))(req)
	case "refused":
		return nil, errors.New("connection refused")
	case "torn":
		return After(quick, Torn())(req)
	case "hang":
		return After(time.Hour, nil)(req)
	case "429":
		return After(quick, Throttled(""))(req)
	case "429 asks":
		return w.pause(req, quick, 3)
	case "429 asks much":
		return w.pause(req, quick, 25)
	}
	panic(in.Kind)
}

func (w *World) enter(req *http.Request) (now, takes, quick time.Duration) {
	now = w.scene.record(req)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight++
	w.highest = max(w.highest, w.inFlight)
	takes = w.Takes/2 + time.Duration(w.rng.Int64N(int64(w.Takes)+1))
	quick = time.Duration(w.rng.Int64N(int64(10 * time.Millisecond)))
	return now, takes, quick
}

func (w *World) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
}

func (w *World) at(d time.Duration) *Downtime {
	for i := range w.Windows {
		if w.Windows[i].From <= d && d < w.Windows[i].To {
			return &w.Windows[i]
		}
	}
	return nil
}

// pause asks for a pause after a while. It records the pause unless the request ends before.
func (w *World) pause(req *http.Request, after time.Duration, seconds int) (*http.Response, error) {
	answer, err := After(after, Throttled(strconv.Itoa(seconds)))(req)
	if err == nil {
		now := w.Elapsed()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pauses = append(w.pauses, Pause{now, now + time.Duration(seconds)*time.Second})
	}
	return answer, err
}
