package trusthub

import (
	"crypto/tls"
	"errors"
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
		own = newTransport(cfg.timeout)
		next = own
	}
	for _, middleware := range slices.Backward(cfg.middleware) { // the first given is outermost
		if next = middleware(next); next == nil {
			return nil, nil, errors.New("trusthub: WithMiddleware: a middleware returned nil")
		}
	}
	return next, own, nil
}

// newTransport makes a transport for attempts that take as long as timeout.
func newTransport(timeout time.Duration) *http.Transport {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok { // a program may have put its own there
		transport = standard.Clone()
	}
	transport.ForceAttemptHTTP2 = true // which net/http does not do by itself with a TLS configuration
	transport.MaxIdleConns = idleConnections
	transport.MaxIdleConnsPerHost = idleConnections
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = new(tls.Config)
	}
	transport.TLSClientConfig.MinVersion = max(transport.TLSClientConfig.MinVersion, tls.VersionTLS12)
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	checkHealth(transport, timeout)
	return transport
}
