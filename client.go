package trusthub

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/outage"
)

// Client fetches Customer Profiles. It is immutable and safe for concurrent use; one for a whole program is the usual
// number, so that connections are shared.
type Client struct{ pipeline *pipeline }

// NewClient returns a client that signs its requests with auth. Without options it talks to
// https://trusthub.twilio.com. It sends nothing; it fails when auth or an option cannot work.
func NewClient(auth Auth, opts ...Option) (*Client, error) {
	cfg, err := newConfig(auth, opts)
	if err != nil {
		return nil, err
	}
	p, err := newPipeline(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.transport == nil && p.own == nil && cfg.logger != nil {
		cfg.logger.LogAttrs(context.Background(), slog.LevelWarn, "trusthub: http.DefaultTransport is not an *http.Transport: "+
			"it has neither this package's pool of connections nor its health checks; WithMiddleware wraps a transport without replacing it")
	}
	return &Client{p}, nil
}

// FetchCustomerProfile returns the Customer Profile with this SID as it is now. The profile is nil exactly when the
// error is not. Errors are [ErrInvalidSID] when the SID is malformed and nothing was sent, *[Error] when the API
// refused, *[DecodeError] when it answered with something that is not this profile, and the error of the network or of
// ctx otherwise.
//
// See https://www.twilio.com/docs/trust-hub/trusthub-rest-api/customer-profiles.
func (c *Client) FetchCustomerProfile(ctx context.Context, sid string, opts ...CallOption) (*CustomerProfile, error) {
	return c.fetchCustomerProfile(ctx, nil, sid, newCallOptions(opts))
}

func (c *Client) fetchCustomerProfile(ctx context.Context, batch *outage.Call, sid string, opts callOptions) (*CustomerProfile, error) {
	if err := checkSID(sid); err != nil {
		return nil, err
	}
	req, err := gen.NewFetchCustomerProfileRequest(c.pipeline.server, sid)
	if err != nil {
		return nil, err
	}
	return fetch(ctx, c.pipeline, batch, req, opts, sid, checkProfile)
}

func checkProfile(profile *CustomerProfile, sid string) (pointer, problem string) {
	if profile.SID != "" && !strings.EqualFold(profile.SID, sid) {
		return "/sid", "another profile's SID"
	}
	return "", ""
}

// Generated returns the client that oapi-codegen made from the OpenAPI document, for typed response headers and for
// what the document gains before this package does. Its requests take the same way as the Client's own, malformed SIDs
// included, but its answers are as generated code reads them: check the status and the JSON200 field for nil. Each call
// returns a value of its own.
func (c *Client) Generated() *gen.ClientWithResponses {
	return &gen.ClientWithResponses{ClientInterface: &gen.Client{Server: c.pipeline.cfg.baseURL.String(), Client: c.pipeline}}
}

// CloseIdleConnections closes the connections that wait for the next request, so that a client that is needed no longer
// leaves nothing behind. Calls under way go on, and later ones open new connections. The connections of a transport that was
// given by [WithHTTPClient], or that a program has put in the place of [http.DefaultTransport], are left to their owner.
func (c *Client) CloseIdleConnections() {
	if c.pipeline.own != nil {
		c.pipeline.own.CloseIdleConnections()
	}
}

// Format prints the address that the client talks to and nothing else, under every verb.
func (c Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "trusthub.Client(%s)", c.pipeline.cfg.baseURL)
}
