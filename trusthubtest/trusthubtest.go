// Package trusthubtest is a fake Trust Hub for the tests of programs that use trusthub.
//
// It behaves like the documented API: a profile has every documented key, with null for empty ones,
// and errors have Twilio's shape. It accepts [Username] and [Password] only, and has the profile of
// Twilio's documentation, [ExampleSID], from the start.
//
//	server := trusthubtest.NewServer(t)
//	server.Put(trusthub.CustomerProfile{SID: "BU0123…", Status: trusthub.StatusInReview})
//	server.Fail(trusthubtest.Fault{Status: 503}) // for the first attempt; the client retries
//	client := server.Client()
//
// In a testing/synctest bubble, use a [Handler] as the transport: a server on loopback would stop
// the bubble's time.
package trusthubtest

import (
	"net/http/httptest"
	"testing"

	"github.com/seed07fc1495/trusthub"
)

// The credentials that the fake accepts. They look like real ones, since Twilio's own client
// rejects others.
const (
	Username = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	Password = "0123456789abcdef0123456789abcdef" // #nosec G101 -- opens nothing but the fake
)

// ExampleSID is the SID of the profile in Twilio's documentation, which every fake has.
const ExampleSID = "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// Server is a fake Trust Hub that listens on loopback over HTTP.
type Server struct {
	*Handler
	URL string // for trusthub.WithBaseURL

	tb testing.TB
}

// NewServer starts a fake, which ends with the test.
func NewServer(tb testing.TB) *Server {
	tb.Helper()
	handler := NewHandler()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return &Server{Handler: handler, URL: server.URL, tb: tb}
}

// Client returns a client of the server with valid credentials. An invalid option fails the test.
func (s *Server) Client(opts ...trusthub.Option) *trusthub.Client {
	s.tb.Helper()
	opts = append([]trusthub.Option{trusthub.WithBaseURL(s.URL)}, opts...)
	client, err := trusthub.NewClient(trusthub.BasicAuth(Username, Password), opts...)
	if err != nil {
		s.tb.Fatal(err)
	}
	return client
}
