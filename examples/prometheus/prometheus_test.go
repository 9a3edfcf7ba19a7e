package prometheus_test

import (
	"iter"
	"net/http/httptest"
	"strings"
	"testing"

	registry "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/examples/prometheus"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// A scrape of two clients has the metrics named in docs/PRODUCTION.md.
func TestScrape(t *testing.T) {
	server, all := trusthubtest.NewServer(t), registry.NewRegistry()
	server.Fail(trusthubtest.Fault{Truncate: true})
	metrics, err := prometheus.New(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"a", "b"} {
		client, err := metrics.NewClient(account, trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), trusthub.WithBaseURL(server.URL))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
			t.Fatal(err)
		}
		tracker, err := client.NewTracker(trusthub.TrackerConfig{SIDs: func() iter.Seq[string] { return func(func(string) bool) {} }})
		if err != nil || metrics.Observe(account, tracker) != nil {
			t.Fatal(err)
		}
	}
	page := httptest.NewRecorder()
	promhttp.HandlerFor(all, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	got := page.Body.String()
	for _, want := range []string{
		`http_client_request_duration_seconds_count{account="a",error_type="torn",http_request_method="GET",http_response_status_code="200",`,
		`trusthub_client_request_wait_seconds_count{account="b",`, `trusthub_client_call_duration_seconds_count{account="b",`,
		`trusthub_client_call_attempts_sum{account="a",`, `trusthub_client_limit{account="b"}`, `trusthub_client_in_flight{account="a"}`,
		`trusthub_client_waiting{account="a"}`, `trusthub_client_retries_left{account="a"}`, `trusthub_client_paused_seconds{account="a"}`,
		`trusthub_client_failing_seconds{account="a"}`, `trusthub_client_holding{account="a"}`,
		`trusthub_tracker_profiles{account="a"}`, `trusthub_tracker_pending{account="b"}`,
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, "otel_scope") {
		t.Errorf("labels of the scope in\n%s", got)
	}
}
