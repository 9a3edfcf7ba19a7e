package apitest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scene is a transport to an API with a response time that fails when a function says so.
type Scene struct {
	from  time.Time
	takes time.Duration
	fail  func(after time.Duration, sid string) RoundTripFunc

	mu   sync.Mutex
	sent []Sent
}

// Sent is a request that a [Scene] or a [World] has received.
type Sent struct {
	After time.Duration // since the start
	SID   string
}

// NewScene returns an API that answers with a profile after a while. fail may be nil. It gets the
// time since the start and the SID, and returns another reply or nil.
func NewScene(takes time.Duration, fail func(after time.Duration, sid string) RoundTripFunc) *Scene {
	return &Scene{from: time.Now(), takes: takes, fail: fail}
}

// RoundTrip implements http.RoundTripper.
func (s *Scene) RoundTrip(req *http.Request) (*http.Response, error) {
	after := s.record(req)
	if s.fail != nil {
		if reply := s.fail(after, SIDOf(req)); reply != nil {
			return reply(req)
		}
	}
	time.Sleep(s.takes)
	return OK()(req)
}

func (s *Scene) record(req *http.Request) (after time.Duration) {
	after = s.Elapsed()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, Sent{after, SIDOf(req)})
	return after
}

// Elapsed returns the time since the beginning.
func (s *Scene) Elapsed() time.Duration { return time.Since(s.from) }

// Sent returns the requests so far, in order.
func (s *Scene) Sent() []Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// Between counts the requests in a part of the time.
func (s *Scene) Between(from, to time.Duration) (n int) {
	for _, sent := range s.Sent() {
		if from <= sent.After && sent.After < to {
			n++
		}
	}
	return n
}

// SIDOf returns the SID that a request asks for.
func SIDOf(req *http.Request) string {
	return strings.TrimPrefix(req.URL.Path, "/v1/CustomerProfiles/")
}
