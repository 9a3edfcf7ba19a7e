// Package fakeserver is the fake Trust Hub as a server, for programs in any language. Requests
// under /_fake/ control it as the methods of trusthubtest.Handler do in Go.
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

// Config is the state of a fake at its start and after a reset.
type Config struct {
	Profiles []trusthub.CustomerProfile // besides the documented example; their SIDs are well-formed
	Accounts map[string]string          // auth tokens by Account SID, besides trusthubtest's
	Limit    int                        // requests at a time; 0: no limit
	Latency  time.Duration              // added to every response
	// call the status_callback of a profile after a change of its status
	CallBack bool
	Log      io.Writer // gets a line for each request and each callback
}

// Server is an [http.Handler], safe for concurrent use.
type Server struct {
	config  Config
	control http.Handler

	mu        sync.Mutex
	fake      *trusthubtest.Handler
	faults    []*fault
	callbacks []callback // the last ones that were sent

	patching sync.Mutex // from reading a profile to replacing it
	logging  sync.Mutex
}

// New returns a fake.
func New(config Config) *Server {
	s := &Server{config: config}
	s.control = s.newControl()
	s.reset()
	return s
}

// reset starts again with a new fake. Requests in progress end with the old one.
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

// ServeHTTP answers as the Trust Hub API does. Requests under /_fake/ control the fake.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &observed{ResponseWriter: w}
	start := time.Now()
	// also when a fault breaks the connection
	defer func() { s.log(r, seen.outcome(), time.Since(start)) }()
	if isControl(r) {
		s.control.ServeHTTP(seen, r)
		return
	}
	s.current().ServeHTTP(seen, r)
}

// log writes no header and no body, since they may hold real credentials.
func (s *Server) log(r *http.Request, outcome string, took time.Duration) {
	s.logging.Lock()
	defer s.logging.Unlock()
	fmt.Fprintf(s.config.Log, "%s %s %s %s %v\n", time.Now().UTC().Format(time.RFC3339), text.Clean(r.Method), r.URL.EscapedPath(), outcome,
		took.Round(time.Microsecond))
}

// observed records the status of a response.
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

// Unwrap lets the fake flush and hijack connections.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *observed) outcome() string {
	if o.status == 0 {
		return "reset"
	}
	return fmt.Sprint(o.status)
}
