package trusthub_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const sid = trusthubtest.ExampleSID

// newClient returns a client with valid credentials for the server at url.
func newClient(t testing.TB, url string, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	opts = append([]trusthub.Option{trusthub.WithBaseURL(url)}, opts...)
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// serve starts a server for one test and returns its address.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// answer returns a handler with one fixed answer and a request id.
func answer(status int, contentType, body string) http.HandlerFunc {
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

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
