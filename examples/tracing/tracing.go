// Package tracing records each attempt of the SDK as an OpenTelemetry span.
package tracing

import (
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/seed07fc1495/trusthub"
)

// Option gives a client a span for each attempt, a child of the span in the context of the call. A retry is a span of its
// own, so that its waits can be seen. Spans hold method, address and status, and no header or body.
func Option(opts ...otelhttp.Option) trusthub.Option {
	return trusthub.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(next, opts...)
	})
}
