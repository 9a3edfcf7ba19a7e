package trusthub

import (
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
)

// idleConnections is how many connections are kept for the next request. The default of net/http, 2 a host, makes
// concurrent callers open a new one for almost every request.
const idleConnections = 256

// newRoundTripper puts the middleware around the transport. The chain calls it without an http.Client in between: that
// would follow redirects, which could take credentials to another host, and its time-outs cost more than a context's.
func newRoundTripper(cfg *config) (http.RoundTripper, error) {
	next := cfg.transport
	if next == nil {
		next = newTransport()
	}
	for _, middleware := range slices.Backward(cfg.middleware) { // the first given is outermost
		if next = middleware(next); next == nil {
			return nil, errors.New("trusthub: WithMiddleware: a middleware returned nil")
		}
	}
	return next, nil
}

func newTransport() *http.Transport {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok { // a program may have put its own there
		transport = standard.Clone()
	}
	transport.MaxIdleConns = idleConnections
	transport.MaxIdleConnsPerHost = idleConnections
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = new(tls.Config)
	}
	transport.TLSClientConfig.MinVersion = max(transport.TLSClientConfig.MinVersion, tls.VersionTLS12)
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	return transport
}
