package trusthubotel_test

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubotel"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// A program behind its own gateway can send the trace context to it. Twilio does not use it.
func ExampleHooks_traceContext() {
	inject := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			req = req.Clone(req.Context())
			propagation.TraceContext{}.Inject(req.Context(), propagation.HeaderCarrier(req.Header))
			return next.RoundTrip(req)
		})
	}
	gateway := trusthubtest.NewHandler() // stands for the gateway
	client, err := trusthub.NewClient(
		trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithHTTPClient(&http.Client{Transport: gateway}),
		trusthub.WithHooks(trusthubotel.Hooks(trusthubotel.WithTracerProvider(trace.NewTracerProvider()))),
		trusthub.WithMiddleware(inject),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.FetchCustomerProfile(context.Background(), trusthubtest.ExampleSID); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(gateway.Requests()[0].Header.Get("Traceparent")), "bytes of traceparent")
	// Output: 55 bytes of traceparent
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
