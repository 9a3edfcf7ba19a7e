package trusthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/address"
	"github.com/seed07fc1495/trusthub/internal/env"
	"github.com/seed07fc1495/trusthub/internal/outage"
)

// Client fetches Customer Profiles. It is immutable and safe for concurrent use. Create one for
// each account, so that connections are shared.
type Client struct{ pipeline *pipeline }

// NewClient returns a client that signs its requests with auth. By default, requests go to
// https://trusthub.twilio.com. NewClient sends nothing. It fails for an auth that cannot work, and
// with an *[OptionError] for an option that cannot work.
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
			"it lacks the connection pool and the health checks of this package; use WithMiddleware to wrap a transport")
	}
	return &Client{p}, nil
}

// FetchCustomerProfile returns the Customer Profile with this SID. The profile is nil exactly when
// the error is not. The error is [ErrInvalidSID] for a malformed SID, for which nothing is sent. It
// is an *[Error] for a status other than 2xx, and a *[DecodeError] for a 2xx response that is not
// this profile. Other errors come from the network, the Auth or ctx.
//
// See https://www.twilio.com/docs/trust-hub/trusthub-rest-api/customer-profiles.
func (c *Client) FetchCustomerProfile(ctx context.Context, sid string, opts ...CallOption) (*CustomerProfile, error) {
	return c.fetchCustomerProfile(ctx, nil, sid, newCallOptions(opts))
}

func (c *Client) fetchCustomerProfile(ctx context.Context, batch *outage.Call, sid string, opts callOptions) (*CustomerProfile, error) {
	if err := checkSID(sid); err != nil {
		return nil, err
	}
	return fetch(ctx, c.pipeline, batch, c.pipeline.request(sid), opts, sid, checkProfile)
}

func checkProfile(profile *CustomerProfile, sid string) (pointer, problem string) {
	if profile.SID != "" && !strings.EqualFold(profile.SID, sid) {
		return "/sid", "another profile's SID"
	}
	return "", ""
}

// Generated returns the client that oapi-codegen made from the OpenAPI document, for typed response
// headers and for operations that this package does not have yet. Its requests are retried,
// limited, checked and logged like the Client's own. Its responses are decoded by generated code:
// check the status, and the JSON200 field for nil. Each call returns a value of its own.
func (c *Client) Generated() *gen.ClientWithResponses {
	return &gen.ClientWithResponses{ClientInterface: &gen.Client{Server: c.pipeline.cfg.baseURL.String(), Client: c.pipeline}}
}

// CloseIdleConnections closes the idle connections, of which a client keeps up to 256. Call it when
// the client is not needed any more. Calls in progress continue, and later calls open new
// connections. Connections of a transport from [WithHTTPClient], or of a transport that replaces
// [http.DefaultTransport], stay open. Those of a [Client.CallbackHandler] close after 90 s without
// use.
func (c *Client) CloseIdleConnections() {
	if c.pipeline.own != nil {
		c.pipeline.own.CloseIdleConnections()
	}
}

// Format prints the base URL only, under every verb.
func (c Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "trusthub.Client(%s)", c.pipeline.cfg.baseURL)
}

// NewClientFromEnv is [NewClient] with credentials from the environment: TWILIO_API_KEY and
// TWILIO_API_SECRET, or else TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN. TWILIO_EDGE and
// TWILIO_REGION choose the address as [WithEdge] does, unless an option chooses it. An edge without
// a region means us1; a region without an edge is an error. An empty variable counts as unset.
//
// The error names the variable. A value with quotes or blanks around it, or with an unexpanded ${,
// is an error. For an address of Twilio, so is a user name that is not the SID of an account or of
// an API key.
func NewClientFromEnv(opts ...Option) (*Client, error) {
	auth, isSID, err := authFromEnv()
	if err != nil {
		return nil, err
	}
	client, err := NewClient(auth, append([]Option{withEnvAddress}, opts...)...)
	if err == nil && isSID != nil && strings.HasSuffix(client.pipeline.cfg.baseURL.Hostname(), ".twilio.com") {
		return nil, isSID
	}
	return client, err
}

// authFromEnv also returns an error for a user name that Twilio does not know; nil if it may be
// one.
func authFromEnv() (auth Auth, isSID, err error) {
	for _, pair := range [][2]string{
		{"TWILIO_API_KEY", "TWILIO_API_SECRET"},
		{"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"},
	} {
		username, password := os.Getenv(pair[0]), os.Getenv(pair[1])
		switch {
		case username != "" && password != "":
			return BasicAuth(username, password), checkUsername(pair, username, password), cmp.Or(env.Check(pair[0], username), env.Check(pair[1], password))
		case username != "":
			return nil, nil, fmt.Errorf("trusthub: %s is set, but %s is not", pair[0], pair[1])
		case password != "":
			return nil, nil, fmt.Errorf("trusthub: %s is set, but %s is not", pair[1], pair[0])
		}
	}
	return nil, nil, errors.New("trusthub: no credentials: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, " +
		"or TWILIO_API_KEY and TWILIO_API_SECRET")
}

// checkUsername prints neither value, since they may be swapped.
func checkUsername(pair [2]string, username, password string) error {
	isSID := func(s string) bool { return strings.HasPrefix(s, "AC") || strings.HasPrefix(s, "SK") }
	switch {
	case isSID(username):
		return nil
	case isSID(password) && len(password) == len("AC")+32:
		return fmt.Errorf("trusthub: %s and %s are swapped", pair[0], pair[1])
	}
	return fmt.Errorf("trusthub: %s begins with neither AC nor SK: it is not the SID of an account or an API key", pair[0])
}

func withEnvAddress(c *config) error {
	c.defaultBaseURL = baseURLFromEnv
	return nil
}

func baseURLFromEnv() (*url.URL, error) {
	edge, region := os.Getenv("TWILIO_EDGE"), os.Getenv("TWILIO_REGION")
	switch {
	case edge == "" && region == "":
		return address.Global()
	case edge == "":
		return nil, errors.New("trusthub: TWILIO_REGION is set, but TWILIO_EDGE is not: Twilio has retired addresses with a region alone")
	}
	u, err := address.Regional(edge, cmp.Or(region, gen.ServerURLRegionalRegionVariableDefault))
	if err != nil {
		return nil, fmt.Errorf("trusthub: TWILIO_EDGE and TWILIO_REGION: %w", err)
	}
	return u, nil
}

// Stats is a snapshot of a client's limiter, its retry quota and its batches.
type Stats struct {
	// the number of requests that may be in flight; below 1: one request every few round trips; 0: no
	// limit
	Limit       float64
	InFlight    int           // requests in flight
	Waiting     int           // calls that wait for a slot, or in a batch for another attempt
	RetriesLeft int           // in the retry quota, at most 100
	Paused      time.Duration // the rest of a pause after a 429
	Holding     bool          // an outage holds a batch

	// the time of Twilio's last final response, a 404 included; zero: none yet
	LastSuccess  time.Time
	FailingSince time.Time // the first failed request since LastSuccess; zero: none
}

// Stats returns a snapshot. It is cheap. Without [WithMaxConcurrency], Limit is the sum of the
// limits of the running batches.
func (c *Client) Stats() Stats {
	own := c.pipeline.limiter.Stats()
	limit, waiting, holding := c.pipeline.batches.stats()
	lastSuccess, failingSince := c.pipeline.health.read()
	return Stats{
		Limit: own.Limit + limit, InFlight: own.InFlight, Waiting: own.Waiting + waiting,
		RetriesLeft: c.pipeline.quota.Left(), Paused: own.Paused, Holding: holding,
		LastSuccess: lastSuccess, FailingSince: failingSince,
	}
}
