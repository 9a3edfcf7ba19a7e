package tracing_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed07fc1495/trusthub/examples/tracing"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestFetchIsTraced(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	server := trusthubtest.NewServer(t)
	client := server.Client(tracing.Option(otelhttp.WithTracerProvider(provider)))

	ctx, parent := provider.Tracer("test").Start(t.Context(), "audit")
	if _, err := client.FetchCustomerProfile(ctx, trusthubtest.ExampleSID); err != nil {
		t.Fatal(err)
	}
	parent.End()

	ended := spans.Ended()
	if len(ended) != 2 || ended[0].Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Fatalf("got %d spans", len(ended))
	}
	found := false
	for _, attribute := range ended[0].Attributes() {
		value := attribute.Value.String()
		found = found || attribute.Key == "http.response.status_code" && value == "200"
		if strings.Contains(value, trusthubtest.Password) {
			t.Errorf("%s holds the password", attribute.Key)
		}
	}
	if !found {
		t.Errorf("no status in %v", ended[0].Attributes())
	}
}
