package trusthub

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/seed07fc1495/trusthub/internal/address"
	"github.com/seed07fc1495/trusthub/internal/retry"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// Option configures a [Client]. The order of options does not matter. If an option is given twice,
// the last one wins. Exceptions: WithHooks, WithMiddleware and WithUserAgent accumulate, and only
// one of WithBaseURL and WithEdge may be given, once.
type Option func(*config) error

// CallOption configures one call.
type CallOption func(*callOptions)

// OptionError is an [Option] or a [BatchOption] that cannot work.
type OptionError struct {
	Option string // its name, such as "WithTimeout"
	Err    error  // what is wrong with it
}

func (e *OptionError) Error() string { return "trusthub: " + e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// WithBaseURL sends requests to another address than https://trusthub.twilio.com, for example to a
// proxy, a mock or a test server. The URL may have a path, which comes before the API's. It must be
// https. http is permitted for loopback addresses, and with [WithPlainHTTP]. User info, query and
// fragment are errors.
func WithBaseURL(baseURL string) Option {
	return func(c *config) error {
		u, err := address.Parse(baseURL)
		return c.setBaseURL("WithBaseURL", u, err)
	}
}

// WithPlainHTTP permits a base URL of http beyond loopback addresses, such as http://fake:8080 for
// a fake server in another container. Credentials are sent unencrypted then: never use it with real
// ones.
func WithPlainHTTP() Option {
	return func(c *config) error {
		c.plainHTTP = true
		return nil
	}
}

// WithEdge sends requests through an edge location to a region, such as "dublin" and "ie1":
// https://trusthub.dublin.ie1.twilio.com. Each region has its own credentials.
//
// See https://www.twilio.com/docs/global-infrastructure/understanding-edge-locations.
func WithEdge(edge, region string) Option {
	return func(c *config) error {
		u, err := address.Regional(edge, region)
		return c.setBaseURL("WithEdge", u, err)
	}
}

// WithHTTPClient sends requests through the transport and with the timeout of this client. The
// timeout bounds one attempt, as [WithTimeout] does. Redirects are never followed, and the cookie
// jar is not used. The client itself is not changed.
//
// The transport must not retry by itself. Over go-retryablehttp v0.7.8 with its defaults, a call in
// an outage sends 15 requests in 46 s instead of 3, and a batch under the limit of an account takes
// more than twice as long.
//
// The default is [http.DefaultTransport] at the time of [NewClient]. An [http.Transport] there is
// cloned. The clone gets more idle connections, TLS 1.2 or later, and health checks. Any other
// value, such as a mock or a tracer, is used as it is, and [NewClient] logs a warning. Put a tracer
// into [WithMiddleware] instead.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return &OptionError{"WithHTTPClient", errNil}
		}
		if client.Timeout < 0 {
			return &OptionError{"WithHTTPClient", fmt.Errorf("the timeout %v is negative", client.Timeout)}
		}
		c.transport, c.transportTimeout = client.Transport, client.Timeout
		return nil
	}
}

// WithMiddleware wraps the transport. Middleware sees every attempt, credentials included. The
// first one given is the outermost.
func WithMiddleware(middleware ...func(http.RoundTripper) http.RoundTripper) Option {
	return func(c *config) error {
		for _, m := range middleware {
			if m == nil {
				return &OptionError{"WithMiddleware", errNil}
			}
		}
		c.middleware = append(c.middleware, middleware...)
		return nil
	}
}

// WithUserAgent appends a product, such as "billing/2.1", to the User-Agent header.
func WithUserAgent(product string) Option {
	return func(c *config) error {
		if product == "" || text.Printable(product, len(product)) != product {
			return &OptionError{"WithUserAgent", fmt.Errorf("%q is empty or not printable", text.Printable(product, 80))}
		}
		c.userAgent += " " + product
		return nil
	}
}

// WithTimeout bounds one attempt, from signing the request to the last byte of the body. The
// default is 30 s.
//
// The error of an attempt that takes too long is a [net.Error] whose Timeout method returns true,
// and [context.DeadlineExceeded] by [errors.Is]. The deadline of the caller's context gives the
// same; if ctx.Err() is nil, it was the attempt. If a status other than 2xx came in time and its
// body did not, the error is the *[Error].
//
// A connection can die in silence, for example behind a NAT. That costs a call one attempt. HTTP/2
// connections are checked by pings at a third of the timeout, 1 to 10 s, and an attempt that takes
// too long closes all idle connections. With HTTP/2, that needs a timeout of 2 s or more. A
// transport from [WithHTTPClient] keeps its own checks.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return &OptionError{"WithTimeout", fmt.Errorf("%v is not positive", d)}
		}
		c.timeout = d
		return nil
	}
}

// WithRetry sets the [RetryPolicy]. RetryPolicy{MaxAttempts: 1} turns retries off.
func WithRetry(policy RetryPolicy) Option {
	return func(c *config) error {
		var err error
		if c.retry, err = policy.withDefaults(); err != nil {
			return &OptionError{"WithRetry", err}
		}
		return nil
	}
}

// WithMaxConcurrency bounds the requests of the whole client in flight. Below the bound the client
// adapts to the limit of the account: it slows down when Twilio answers 429, at most to one request
// every few round trips, and speeds up again while it does not. More callers wait in order,
// until their context ends. Without this option, only [Client.FetchCustomerProfiles] has a bound,
// 16.
//
// With it, a 429 costs no attempt while other requests of the client succeed (within the last 10 s,
// or MaxWait), up to 50 times for a call. A request that gets only 429s while others succeed waits
// on its own. A call that would have to wait longer than MaxWait fails at once with a copy of the
// 429. Its RetryAfter is the rest of the pause.
func WithMaxConcurrency(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return &OptionError{"WithMaxConcurrency", fmt.Errorf("%d is not positive", n)}
		}
		c.maxConcurrency = n
		return nil
	}
}

// WithMaxResponseBytes bounds the size of a body, decompressed. The default is 1 MiB; a profile has
// about 1 KiB. A longer body is an [ErrResponseTooLarge], or an *[Error] with the first part of the
// body.
func WithMaxResponseBytes(n int64) Option {
	return func(c *config) error {
		if n < 1 {
			return &OptionError{"WithMaxResponseBytes", fmt.Errorf("%d is not positive", n)}
		}
		c.maxResponseBytes = n
		return nil
	}
}

// WithLogger writes one record for each attempt, at Debug for a complete 2xx and at Warn for a
// failure. A record has the method, path, status, attempt, duration and request id. The path has
// the SID. A failure also has its [Reason], and retry_in, the least time until the next attempt.
//
// Other records: at Warn the start of an outage, a replaced [http.DefaultTransport], a late sweep
// of a [Tracker], its failed batch, and a change that was not handled; at Info the end of an
// outage; at Debug a complete sweep. A callback handler writes one record for each request. It is
// at Warn if the request has a signature and failed, otherwise at Debug. It has a reason of
// [CallbackInfo] and the SID.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		if logger == nil {
			return &OptionError{"WithLogger", errNil}
		}
		c.logger = logger
		return nil
	}
}

// WithHooks adds hooks. Earlier hooks stay.
func WithHooks(h Hooks) Option {
	return func(c *config) error {
		c.hooks = append(c.hooks, h)
		return nil
	}
}

// WithResponseInto stores the HTTP response in dst, also when the call fails. Without a response,
// all fields but Attempts are zero. Calls that run at the same time must not share dst. With
// several of these options, all are filled.
func WithResponseInto(dst *Response) CallOption {
	return func(c *callOptions) {
		if dst != nil {
			*c = append(*c, dst)
		}
	}
}

const (
	defaultTimeout          = 30 * time.Second
	defaultMaxResponseBytes = 1 << 20
	defaultUserAgent        = "trusthub-go/0.1.0"
)

type config struct {
	auth             Auth
	baseURL          *url.URL
	defaultBaseURL   func() (*url.URL, error) // used if no option sets an address
	plainHTTP        bool                     // permitted beyond loopback
	transport        http.RoundTripper        // nil: this package's own
	transportTimeout time.Duration            // 0: none
	middleware       []func(http.RoundTripper) http.RoundTripper
	userAgent        string
	timeout          time.Duration
	retry            retry.Policy
	maxConcurrency   int // 0: no limit
	maxResponseBytes int64
	logger           *slog.Logger // nil: none
	hooks            hooks
}

func newConfig(auth Auth, opts []Option) (*config, error) {
	if err := checkAuth(auth); err != nil {
		return nil, err
	}
	cfg := &config{
		auth:             auth,
		defaultBaseURL:   address.Global,
		userAgent:        defaultUserAgent,
		timeout:          defaultTimeout,
		maxResponseBytes: defaultMaxResponseBytes,
	}
	cfg.retry, _ = RetryPolicy{}.withDefaults() // cannot fail for the defaults
	for _, opt := range opts {
		if opt == nil {
			return nil, &OptionError{"Option", errNil}
		}
		if err := opt(cfg); err != nil {
			return nil, err
		}
	}
	if cfg.transportTimeout > 0 {
		cfg.timeout = min(cfg.timeout, cfg.transportTimeout)
	}
	if cfg.baseURL == nil {
		var err error
		cfg.baseURL, err = cfg.defaultBaseURL()
		return cfg, err
	}
	return cfg, cfg.checkPlainHTTP()
}

func (c *config) setBaseURL(option string, u *url.URL, err error) error {
	if err == nil && c.baseURL != nil {
		err = errors.New("the address is set twice: use one WithBaseURL or one WithEdge")
	}
	if err != nil {
		return &OptionError{option, err}
	}
	c.baseURL = u
	return nil
}

// checkPlainHTTP returns an error for an address to which credentials would be sent unencrypted
// over a network.
func (c *config) checkPlainHTTP() error {
	if c.plainHTTP || address.IsSecure(c.baseURL) {
		return nil
	}
	return &OptionError{"WithPlainHTTP", errors.New("it is required for this base URL: http beyond loopback sends credentials unencrypted")}
}

var errNil = errors.New("it is nil")

func newCallOptions(opts []CallOption) callOptions {
	if len(opts) == 0 {
		return nil // without an allocation
	}
	var c callOptions
	for _, opt := range opts {
		if opt != nil {
			opt(&c)
		}
	}
	c.fill(Response{})
	return c
}
