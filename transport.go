package trusthub

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"
)

// idleConnections is how many connections are kept for the next request. The default of net/http, 2 a host, makes
// concurrent callers open a new one for almost every request.
const idleConnections = 256

// newRoundTripper puts the middleware around the transport. The chain calls it without an http.Client in between: that
// would follow redirects, which could take credentials to another host, and its time-outs cost more than a context's. The
// transport is returned as well when it is this package's own.
func newRoundTripper(cfg *config) (next http.RoundTripper, own *http.Transport, err error) {
	next = cfg.transport
	if next == nil {
		next, own = standardTransport(cfg.timeout)
	}
	for _, middleware := range slices.Backward(cfg.middleware) { // the first given is outermost
		if next = middleware(next); next == nil {
			return nil, nil, errors.New("trusthub: WithMiddleware: a middleware returned nil")
		}
	}
	return next, own, nil
}

// standardTransport is a clone of http.DefaultTransport, tuned for attempts that take as long as timeout, or what a mock or
// a tracer has put there, as it is: going around that would send to Twilio what a test believes to be mocked.
func standardTransport(timeout time.Duration) (next http.RoundTripper, own *http.Transport) {
	switch standard := http.DefaultTransport.(type) {
	case *http.Transport:
		own = standard.Clone()
	case nil:
		own = &http.Transport{ // the time-outs are those of net/http
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     90 * time.Second,
		}
	default:
		return standard, nil
	}
	tune(own)
	checkHealth(own, timeout)
	return own, own
}

func tune(transport *http.Transport) {
	transport.ForceAttemptHTTP2 = true // which net/http does not do by itself with a TLS configuration
	transport.MaxIdleConns = idleConnections
	transport.MaxIdleConnsPerHost = idleConnections
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = new(tls.Config)
	}
	transport.TLSClientConfig.MinVersion = max(transport.TLSClientConfig.MinVersion, tls.VersionTLS12)
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
}

// CloseIdleConnections closes the connections that wait for the next request, so that a client that is needed no longer
// leaves nothing behind. Calls under way go on, and later ones open new connections. The connections of a transport that was
// given by [WithHTTPClient], or that a program has put in the place of [http.DefaultTransport], are left to their owner.
func (c *Client) CloseIdleConnections() {
	if c.chain.own != nil {
		c.chain.own.CloseIdleConnections()
	}
}
