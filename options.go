package trusthub

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/seed07fc1495/trusthub/gen"
)

// Option configures a [Client]. The order of options never matters, but for those that add to a list.
type Option func(*config) error

// CallOption configures one call.
type CallOption func(*call)

// WithBaseURL sends requests to another address than https://trusthub.twilio.com: a proxy, a mock, or a test server. Its
// path is kept and put before the API's. It must be https, or http on a loopback address, without user info, query and
// fragment.
func WithBaseURL(baseURL string) Option {
	return func(c *config) error { return c.setBaseURL(parseBaseURL(baseURL)) }
}

// WithEdge sends requests through an edge location to a region, such as "dublin" and "ie1":
// https://trusthub.dublin.ie1.twilio.com. Credentials belong to a region, so that another one needs its own.
//
// See https://www.twilio.com/docs/global-infrastructure/understanding-edge-locations.
func WithEdge(edge, region string) Option {
	return func(c *config) error { return c.setBaseURL(regionalURL(edge, region)) }
}

// WithHTTPClient sends requests by a copy of this client: its transport, timeout and cookie jar are kept, its redirect
// policy is not, since redirects are never followed. Its timeout bounds one attempt.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("trusthub: WithHTTPClient was given nil")
		}
		c.httpClient = *client
		return nil
	}
}

// WithResponseInto stores what is known of the HTTP answer in dst, on errors too. When nothing was received, all but
// Attempts is zero. It must not be shared by calls that run at the same time.
func WithResponseInto(dst *Response) CallOption {
	return func(c *call) { c.response = dst }
}

const defaultMaxResponseBytes = 1 << 20

type config struct {
	auth             Auth
	baseURL          *url.URL
	envBaseURL       *url.URL // from the environment, for when no option sets one
	httpClient       http.Client
	maxResponseBytes int64
}

func newConfig(auth Auth, opts []Option) (*config, error) {
	if err := checkAuth(auth); err != nil {
		return nil, err
	}
	cfg := &config{auth: auth, maxResponseBytes: defaultMaxResponseBytes}
	for _, opt := range opts {
		if err := opt(cfg); err != nil {
			return nil, err
		}
	}
	if cfg.baseURL = cmp.Or(cfg.baseURL, cfg.envBaseURL); cfg.baseURL != nil {
		return cfg, nil
	}
	return cfg, cfg.setBaseURL(parseBaseURL(gen.ServerURLGlobal))
}

func (c *config) setBaseURL(u *url.URL, err error) error {
	if err == nil && c.baseURL != nil {
		err = errors.New("trusthub: the address is set twice: use one WithBaseURL or one WithEdge")
	}
	c.baseURL = u
	return err
}

type call struct {
	response *Response
}

type callKey struct{}

// withCallOptions hands the options of one call to the chain, which is on the far side of generated code.
func withCallOptions(ctx context.Context, opts []CallOption) context.Context {
	if len(opts) == 0 {
		return ctx
	}
	c := new(call)
	for _, opt := range opts {
		opt(c)
	}
	if c.response != nil {
		*c.response = Response{}
	}
	return context.WithValue(ctx, callKey{}, c)
}
