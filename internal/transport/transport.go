// Package transport has the default http.Transport of clients, and reads response bodies into
// memory.
package transport

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// idleConnections is the number of connections that are kept for reuse. With the default of
// net/http, 2 for each host, concurrent callers open a new connection for almost every request.
const idleConnections = 256

// Default returns a clone of http.DefaultTransport, tuned for attempts of up to timeout. Another
// type there, such as a mock or a tracer, is returned as it is, and own is nil. To bypass a mock
// would send the requests of a test to Twilio.
func Default(timeout time.Duration) (next http.RoundTripper, own *http.Transport) {
	switch standard := http.DefaultTransport.(type) {
	case *http.Transport:
		own = standard.Clone()
	case nil:
		own = &http.Transport{ // with the timeouts of net/http
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
	nameProxy(own)
	return own, own
}

func tune(t *http.Transport) {
	t.ForceAttemptHTTP2 = true // net/http does not try HTTP/2 by itself with a TLS configuration
	t.MaxIdleConns = idleConnections
	t.MaxIdleConnsPerHost = idleConnections
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = new(tls.Config)
	}
	t.TLSClientConfig.MinVersion = max(t.TLSClientConfig.MinVersion, tls.VersionTLS12)
	t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
}

// checkHealth makes HTTP/2 ping silent connections. A dead one is closed within half of an attempt,
// and the attempt is made again over another one. Without pings, requests into a connection that a
// NAT has forgotten are lost without an error, until the kernel gives up after 15 minutes on Linux
// (https://docs.kernel.org/networking/ip-sysctl.html, tcp_retries2).
func checkHealth(t *http.Transport, attempt time.Duration) {
	if t.HTTP2 == nil {
		t.HTTP2 = new(http.HTTP2Config)
	}
	between := func(d, least, most time.Duration) time.Duration { return min(max(d, least), most) }
	t.HTTP2.SendPingTimeout = cmp.Or(t.HTTP2.SendPingTimeout, between(attempt/3, time.Second, 10*time.Second))
	t.HTTP2.PingTimeout = cmp.Or(t.HTTP2.PingTimeout, between(attempt/6, time.Second, 5*time.Second))
}
