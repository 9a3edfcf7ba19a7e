package transport

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ProxyError is a proxy's response to CONNECT, other than 200. net/http would return its status
// line alone.
type ProxyError struct {
	Host   string // of the proxy, without credentials
	Status int
}

func (e *ProxyError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("proxy %s refused the connection: %d %s", e.Host, e.Status, http.StatusText(e.Status)))
}

// Lasting reports whether waiting does not help: the proxy wants other credentials, or permits no
// such connection.
func (e *ProxyError) Lasting() bool {
	return e.Status/100 == 4 && e.Status != http.StatusTooManyRequests
}

// nameProxy makes t return a *ProxyError when a proxy refuses CONNECT, unless a hook that is there
// already has an error of its own.
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
