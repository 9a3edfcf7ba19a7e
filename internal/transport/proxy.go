package transport

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ProxyError is the response of a proxy to CONNECT, other than 200. net/http returns only its
// status line.
type ProxyError struct {
	Host   string // of the proxy, without credentials
	Status int
}

func (e *ProxyError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("proxy %s refused the connection: %d %s", e.Host, e.Status, http.StatusText(e.Status)))
}

// Lasting reports whether waiting does not help: the proxy wants other credentials, or forbids the
// connection.
func (e *ProxyError) Lasting() bool {
	return e.Status/100 == 4 && e.Status != http.StatusTooManyRequests
}

// nameProxy makes t return a *ProxyError when a proxy rejects CONNECT. An existing hook is called
// first, and its error wins.
func nameProxy(t *http.Transport) {
	before := t.OnProxyConnectResponse
	t.OnProxyConnectResponse = func(ctx context.Context, proxy *url.URL, request *http.Request, response *http.Response) error {
		if before != nil {
			if err := before(ctx, proxy, request, response); err != nil {
				return err
			}
		}
		if response.StatusCode == http.StatusOK {
			return nil
		}
		return &ProxyError{proxy.Host, response.StatusCode}
	}
}
