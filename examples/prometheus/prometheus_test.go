package prometheus_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	registry "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/examples/prometheus"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// What a scrape has under the names of docs/PRODUCTION.md.
func TestScrape(t *testing.T) {
	server, all := trusthubtest.NewServer(t), registry.NewRegistry()
	server.Fail(trusthubtest.Fault{Truncate: true})
	client, err := prometheus.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), all, trusthub.WithBaseURL(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
		t.Fatal(err)
	}
	page := httptest.NewRecorder()
	promhttp.HandlerFor(all, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	got := page.Body.String()
	for _, want := range []string{
		`http_client_request_duration_seconds_count{error_type="torn",http_request_method="GET",http_response_status_code="200",`,
		"trusthub_client_request_wait_seconds_count{", "trusthub_client_call_duration_seconds_count{", "trusthub_client_call_attempts_sum{",
		"trusthub_client_limit{", "trusthub_client_in_flight{", "trusthub_client_waiting{", "trusthub_client_retries_left{", "trusthub_client_paused_seconds{", "trusthub_client_failing_seconds{", "trusthub_client_holding{",
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
}
