package trusthubotel_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// The span of a request ends with the request, although the next attempt is decided later.
func TestSpanIsAsLongAsTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		o, start := newObserver(), time.Now()
		client := apitest.Over(t, apitest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "0") && time.Since(start) < time.Second {
				time.Sleep(10 * time.Millisecond)
				return nil, &net.OpError{Op: "read", Err: net.ErrClosed}
			}
			select {
			case <-time.After(20 * time.Second):
			case <-r.Context().Done():
			}
			return fake.RoundTrip(r)
		}), o.hooks())
		for range client.FetchCustomerProfiles(t.Context(), slices.Values([]string{"BU" + strings.Repeat("0", 32), sid})) {
			continue
		}
		seen := 0
		for _, span := range o.ended.Ended() {
			if strings.HasPrefix(span.Name(), "GET ") && strings.Contains(written(span.Attributes()), "reset") {
				seen++
				if took := span.EndTime().Sub(span.StartTime()); took > 11*time.Millisecond {
					t.Errorf("the span of a request of 10 ms took %v", took)
				}
			}
		}
		if seen == 0 {
			t.Error("no request failed")
		}
	})
}

// Histogram boundaries are in seconds:
// https://opentelemetry.io/docs/specs/semconv/http/http-metrics/.
func TestBoundaries(t *testing.T) {
	o := newObserver()
	_, _ = apitest.Over(t, trusthubtest.NewHandler(), o.hooks()).FetchCustomerProfile(t.Context(), sid)
	var all metricdata.ResourceMetrics
	if err := o.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, one := range all.ScopeMetrics[0].Metrics {
		if data, ok := one.Data.(metricdata.Histogram[float64]); ok {
			seen++
			if bounds := data.DataPoints[0].Bounds; bounds[0] != 0.005 {
				t.Errorf("%s: got %v", one.Name, bounds)
			}
		}
	}
	if seen != 3 { // request, wait and call
		t.Errorf("%d histograms of durations", seen)
	}
}

// Without a request id in the response, the span has none.
func TestNoRequestID(t *testing.T) {
	o := newObserver()
	_, _ = apitest.Over(t, apitest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 502, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}), o.hooks()).FetchCustomerProfile(t.Context(), sid)
	if got := o.spans()[0]; strings.Contains(got, "twilio-request-id") {
		t.Errorf("got %s", got)
	}
}

// A redirect is not followed. It is not an error of the request span, but of the call, which has no
// profile.
func TestRedirect(t *testing.T) {
	fake := trusthubtest.NewHandler()
	fake.Fail(trusthubtest.Fault{Status: 302})
	o := newObserver()
	_, _ = apitest.Over(t, fake, o.hooks()).FetchCustomerProfile(t.Context(), sid)
	spans := o.spans()
	if !strings.Contains(spans[0], `, Unset "": `) || strings.Contains(spans[0], "error.type") || !strings.Contains(spans[1], "error.type=302") {
		t.Errorf("got %q", spans)
	}
	if got := o.metrics(t)["http.client.request.duration"]; len(got) != 1 || strings.Contains(got[0], "error.type") {
		t.Errorf("got %q", got)
	}
}

// A gateway's error has the status as error.type of the request, and gateway as that of the call.
func TestGateway(t *testing.T) {
	fake := trusthubtest.NewHandler()
	fake.Fail(trusthubtest.Gateway("nginx-404"))
	o := newObserver()
	_, _ = apitest.Over(t, fake, o.hooks()).FetchCustomerProfile(t.Context(), sid)
	spans := o.spans()
	if !strings.Contains(spans[0], `, Error "": error.type=404`) || !strings.Contains(spans[1], "error.type=gateway") {
		t.Errorf("got %q", spans)
	}
}

// A request that was not sent has no client span and no metrics.
func TestRequestThatWasNotSent(t *testing.T) {
	o := newObserver()
	client, err := trusthub.NewClient(trusthub.AuthFunc(func(*http.Request) error { return errors.New("no token") }), o.hooks())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = client.FetchCustomerProfile(t.Context(), sid)
	metrics := o.metrics(t)
	if got := o.spans(); len(got) != 1 || !strings.Contains(got[0], "error.type=auth") || !strings.Contains(got[0], "trusthub.attempts=0") ||
		metrics["http.client.request.duration"] != nil || metrics["trusthub.client.request.wait"] != nil {
		t.Errorf("got %q, %v", got, metrics)
	}
}

// The version of the instrumentation scope is the version of the SDK.
func TestScopeVersion(t *testing.T) {
	fake := trusthubtest.NewHandler()
	o := newObserver()
	_, _ = apitest.Over(t, fake, o.hooks()).FetchCustomerProfile(t.Context(), sid)
	var all metricdata.ResourceMetrics
	if err := o.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(fake.Requests()[0].UserAgent(), "/")
	if got := o.ended.Ended()[0].InstrumentationScope().Version; got != version || all.ScopeMetrics[0].Scope.Version != version {
		t.Errorf("got %q and %q, want %q", got, all.ScopeMetrics[0].Scope.Version, version)
	}
}

// A client may pass the context of its request to another client with the same hooks.
func TestCallInsideACall(t *testing.T) {
	o := newObserver()
	h := o.hooks()
	inner := apitest.Over(t, trusthubtest.NewHandler(), h)
	fake := trusthubtest.NewHandler()
	outer := apitest.Over(t, apitest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		_, _ = inner.FetchCustomerProfile(r.Context(), sid)
		return fake.RoundTrip(r)
	}), h)
	if _, err := outer.FetchCustomerProfile(context.Background(), sid); err != nil {
		t.Fatal(err)
	}
	if got := o.spans(); len(got) != 4 {
		t.Errorf("got %q", got)
	}
}

// The same hooks given twice end each span once.
func TestHooksTwice(t *testing.T) {
	o := newObserver()
	h := o.hooks()
	if _, err := apitest.Over(t, trusthubtest.NewHandler(), h, h).FetchCustomerProfile(t.Context(), sid); err != nil {
		t.Fatal(err)
	}
	if got := o.spans(); len(got) != 4 {
		t.Errorf("%d of 4 spans ended: %q", len(got), got)
	}
}
