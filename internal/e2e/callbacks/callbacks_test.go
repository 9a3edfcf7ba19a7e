// Package callbacks_test tests the handler of status callbacks with requests of Twilio, of load
// balancers and of other parties.
package callbacks_test

import (
	"net/http"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const sid = trusthubtest.ExampleSID

// over returns a client without retries.
func over(t testing.TB, transport http.RoundTripper, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	return apitest.Over(t, transport, append(opts, trusthub.WithBaseURL("http://127.0.0.1"))...)
}
