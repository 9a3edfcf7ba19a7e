// Package apitest has the fakes that tests of this module share: clients in one line, servers and
// transports with fixed behaviour, an account with a limit, and an API with outages. Only tests
// import it.
package apitest

import (
	"net/http"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Values that tests request and expect.
const (
	SID        = trusthubtest.ExampleSID
	UnknownSID = "BU00000000000000000000000000000000"
	EmptySID   = "BU11111111111111111111111111111111"

	Profile = `{"friendly_name":"Acme"}` // the body of a response with a profile

	JSON = "application/json"
	Text = "text/plain"
)

// Client returns a client with all defaults, except that its requests go to the given transport.
func Client(t testing.TB, auth trusthub.Auth, transport http.RoundTripper, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	client, err := trusthub.NewClient(auth, append(opts, trusthub.WithHTTPClient(&http.Client{Transport: transport}))...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Over returns a client with valid credentials whose requests go to the given transport. It makes
// one attempt, unless an option says otherwise.
func Over(t testing.TB, transport http.RoundTripper, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	return Client(t, Credentials(), transport, append([]trusthub.Option{Once()}, opts...)...)
}

// At returns a client with valid credentials for the server at url, with the transport that
// clients make themselves. It makes one attempt, unless an option says otherwise.
func At(t testing.TB, url string, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	client, err := trusthub.NewClient(Credentials(), append([]trusthub.Option{trusthub.WithBaseURL(url), Once()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Credentials are those that package trusthubtest accepts.
func Credentials() trusthub.Auth {
	return trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password)
}

// Bearer signs with a token, as an Auth that can fetch a new one after a 401.
func Bearer() trusthub.Auth {
	return trusthub.AuthFunc(func(req *http.Request) error {
		req.Header.Set("Authorization", "Bearer x")
		return nil
	})
}

// Once turns retries off.
func Once() trusthub.Option { return trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}) }

// Defaults is the default policy, for clients of [Over] and [At].
func Defaults() trusthub.Option { return trusthub.WithRetry(trusthub.RetryPolicy{}) }
