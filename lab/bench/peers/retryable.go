package peers

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Retrying returns the peers, and in addition the stock client over go-retryablehttp, with the
// waits that AWS recommends. An engineer can write that in an afternoon.
func Retrying() []Peer {
	peers := All()
	stock := slices.IndexFunc(peers, func(p Peer) bool { return p.Name == "oapi-codegen" })
	return slices.Insert(peers, stock+1, Peer{"retryablehttp", newRetrying})
}

func newRetrying(baseURL string, transport http.RoundTripper) (Fetch, error) {
	c := retryablehttp.NewClient()
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = 10, 250*time.Millisecond, 30*time.Second
	c.Backoff = fullJitter
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	c.Logger = nil
	c.HTTPClient.Timeout = 30 * time.Second
	c.HTTPClient.Transport = cmp.Or(transport, c.HTTPClient.Transport)
	return newGenerated(baseURL, c.StandardClient())
}

// fullJitter returns a wait between 0 and the exponential default wait, or the value of
// Retry-After.
func fullJitter(least, most time.Duration, attempt int, answer *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(least, most, attempt, answer)
	if answer != nil && answer.Header.Get("Retry-After") != "" {
		return wait
	}
	return rand.N(wait + 1) //nolint:gosec // G404: spreads load, guards nothing
}
