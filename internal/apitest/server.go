package apitest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Serve starts a server on loopback for one test and returns its address.
func Serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// InMemory returns a transport to a server without sockets, which a synctest bubble can wait for.
// It takes https for http. A transport with the protocols of [OnlyHTTP2] speaks HTTP/2.
func InMemory(t testing.TB, handler http.HandlerFunc) *http.Transport {
	t.Helper()
	listener := pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial, DialTLSContext: listener.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return transport
}

// OnlyHTTP2 are the protocols of a transport that speaks HTTP/2 without TLS.
func OnlyHTTP2() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Close() error   { close(l.closed); return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// Answer returns a handler with one fixed response, which has the request id RQ1.
func Answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		if contentType == "" {
			w.Header()["Content-Type"] = nil // keeps net/http from guessing one
		}
		w.Header().Set("Twilio-Request-Id", "RQ1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// Throttle answers 429 with a Retry-After header.
func Throttle(retryAfter string) http.HandlerFunc {
	return Asking(http.StatusTooManyRequests, retryAfter)
}

// Asking answers with a status and a Retry-After header.
func Asking(status int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", retryAfter)
		Answer(status, JSON, `{"code":20429}`)(w, r)
	}
}

// Reset breaks the connection off before it answers.
func Reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Hang does not answer.
func Hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Stall sends the header and the beginning of a body, and no more.
func Stall(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", JSON)
	_, _ = io.WriteString(w, `{"sid"`)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// BreakOff sends less of a body than it has announced.
func BreakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", JSON)
	w.Header().Set("Content-Length", "100")
	w.Header().Set("Twilio-Request-Id", "RQ1")
	_, _ = io.WriteString(w, `{"sid"`)
}

// Script answers each request with the next handler, and all further ones with the last. It
// records when requests came.
type Script struct {
	handlers []http.HandlerFunc
	mu       sync.Mutex
	times    []time.Time
}

// NewScript returns a script of handlers.
func NewScript(handlers ...http.HandlerFunc) *Script { return &Script{handlers: handlers} }

func (s *Script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	handler := s.handlers[min(len(s.times), len(s.handlers)-1)]
	s.times = append(s.times, time.Now())
	s.mu.Unlock()
	handler(w, r)
}

// Requests returns the number of requests so far.
func (s *Script) Requests() int { return len(s.Since(time.Time{})) }

// Since returns when the requests came, as times after start.
func (s *Script) Since(start time.Time) (after []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.times {
		after = append(after, at.Sub(start))
	}
	return after
}

// Waits returns the times between each request and the next.
func (s *Script) Waits() (waits []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.times); i++ {
		waits = append(waits, s.times[i].Sub(s.times[i-1]))
	}
	return waits
}
