// Package fakeserver is the fake Trust Hub as a server of its own, for programs in any language:
// what a Go test tells the fake by its methods is told by requests under /_fake/.
package fakeserver

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/text"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Config is what a fake starts with, and what a reset brings back.
type Config struct {
	Profiles []trusthub.CustomerProfile // besides the documented example; their SIDs are well-formed
	Accounts map[string]string          // auth tokens by Account SID, besides trusthubtest's
	Limit    int                        // of requests at a time; 0: none
	Latency  time.Duration              // of every answer
	// call the status_callback of a profile whose status has changed
	CallBack bool
	Log      io.Writer // gets a line a request, and one a callback
}

// Server is an [http.Handler], safe for concurrent use.
type Server struct {
	config  Config
	control http.Handler

	mu        sync.Mutex
	fake      *trusthubtest.Handler
	faults    []*fault
	callbacks []callback // the last that were sent

	logging sync.Mutex
}

// New returns a fake.
func New(config Config) *Server {
	s := &Server{config: config}
	s.control = s.newControl()
	s.reset()
	return s
}

// reset begins anew, with another fake: requests that are under way end with the old one.
func (s *Server) reset() {
	fake := trusthubtest.NewHandler()
	for _, profile := range s.config.Profiles {
		fake.Put(profile)
	}
	for sid, token := range s.config.Accounts {
		fake.AddAccount(sid, token)
	}
	fake.LimitConcurrency(s.config.Limit)
	fake.Delay(s.config.Latency)
	fake.FailFunc(s.nextFault)
	if s.config.CallBack {
		fake.CallBack(&http.Client{Transport: caller{s}})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fake, s.faults, s.callbacks = fake, nil, nil
}

func (s *Server) current() *trusthubtest.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fake
}

// ServeHTTP answers as the Trust Hub API does, and under /_fake/ to those who steer the fake.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &observed{ResponseWriter: w}
	start := time.Now()
	// also when a fault breaks the connection off
	defer func() { s.log(r, seen.outcome(), time.Since(start)) }()
	if isControl(r) {
		s.control.ServeHTTP(seen, r)
		return
	}
	s.current().ServeHTTP(seen, r)
}

// log writes no header and no body: somebody may have sent real credentials.
func (s *Server) log(r *http.Request, outcome string, took time.Duration) {
	s.logging.Lock()
	defer s.logging.Unlock()
	fmt.Fprintf(s.config.Log, "%s %s %s %s %v\n", time.Now().UTC().Format(time.RFC3339), text.Clean(r.Method), r.URL.EscapedPath(), outcome,
		took.Round(time.Microsecond))
}

// observed remembers what was answered.
type observed struct {
	http.ResponseWriter
	status int
}

func (o *observed) WriteHeader(status int) {
	o.status = status
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(text []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK // as net/http does
	}
	return o.ResponseWriter.Write(text)
}

// Unwrap lets the fake flush and break off connections.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *observed) outcome() string {
	if o.status == 0 {
		return "reset"
	}
	return fmt.Sprint(o.status)
}
