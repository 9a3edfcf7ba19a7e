package trusthub

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed07fc1495/trusthub/gen"
)

// Client fetches Customer Profiles. It is immutable and safe for concurrent use; one for a whole program is the usual
// number, so that connections are shared.
type Client struct {
	raw   *gen.Client // whose server is the path of the base URL alone: generated code parses it twice a request
	chain *chain      // behind raw
}

// NewClient returns a client that signs its requests with auth. Without options it talks to
// https://trusthub.twilio.com. It sends nothing; it fails when auth or an option cannot work.
func NewClient(auth Auth, opts ...Option) (*Client, error) {
	cfg, err := newConfig(auth, opts)
	if err != nil {
		return nil, err
	}
	chain, err := newChain(cfg)
	if err != nil {
		return nil, err
	}
	return newClientOver(chain), nil
}

func newClientOver(c *chain) *Client {
	return &Client{raw: &gen.Client{Server: c.cfg.baseURL.EscapedPath(), Client: undecoded{c}}, chain: c}
}

// FetchCustomerProfile returns the Customer Profile with this SID as it is now. The profile is nil exactly when the
// error is not. Errors are [ErrInvalidSID] when the SID is malformed and nothing was sent, *[Error] when the API
// refused, *[DecodeError] when it answered with something that is not this profile, and the error of the network or of
// ctx otherwise.
//
// See https://www.twilio.com/docs/trust-hub/trusthub-rest-api/customer-profiles.
func (c *Client) FetchCustomerProfile(ctx context.Context, sid string, opts ...CallOption) (*CustomerProfile, error) {
	ctx = withCallOptions(ctx, opts)
	if err := checkSID(sid); err != nil {
		return nil, err
	}
	answer, err := c.raw.FetchCustomerProfile(ctx, sid) //nolint:bodyclose // the chain has read and closed it
	profile, err := decode[CustomerProfile](answer, err)
	if err == nil && profile.SID != "" && !strings.EqualFold(profile.SID, sid) {
		profile, err = nil, newDecodeError(answer, "/sid", problem("another profile's SID"))
	}
	return profile, finish(answer, err)
}

// Generated returns the client that oapi-codegen made from the OpenAPI document, for typed response headers and for
// what the document gains before this package does. Its requests take the same way as the Client's own, malformed SIDs
// included, but its answers are as generated code reads them: check the status and the JSON200 field for nil. Each call
// returns a value of its own.
func (c *Client) Generated() *gen.ClientWithResponses {
	return &gen.ClientWithResponses{ClientInterface: &gen.Client{Server: c.chain.cfg.baseURL.String(), Client: c.chain}}
}

// Format prints the address that the client talks to and nothing else, under every verb.
func (c Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "trusthub.Client(%s)", c.chain.cfg.baseURL)
}

// decode turns the result of a raw generated operation into exactly one of a value and an error.
func decode[T any](answer *http.Response, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	if failure := contentOf(answer).failure; failure != nil {
		return nil, failure
	}
	value := new(T)
	if pointer, err := decodeJSON(answer, value); err != nil {
		return nil, newDecodeError(answer, pointer, err)
	}
	return value, nil
}
