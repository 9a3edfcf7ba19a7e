package trusthubotel_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubotel"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestObserveStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.Fail(trusthubtest.Fault{Status: 503}, trusthubtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"5"}}}, trusthubtest.Fault{Delay: time.Minute})
		client := apitest.Over(t, fake, apitest.Defaults(), trusthub.WithMaxConcurrency(2))
		o := newObserver()
		registration, err := trusthubotel.ObserveStats(client, o.options(trusthubotel.WithAttributes(attribute.String("account", "a")))...)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			go func() { _, _ = client.FetchCustomerProfile(t.Context(), sid) }()
			synctest.Wait()
		}
		expectGauges(t, o, map[string]string{
			"limit": "1.6{request}", "in_flight": "0{request}", "waiting": "2{call}", "retries_left": "98{retry}", "paused": "5s", "failing": "0s", "holding": "0",
		})
		time.Sleep(6 * time.Second)
		expectGauges(t, o, map[string]string{
			"limit": "1.6{request}", "in_flight": "1{request}", "waiting": "2{call}", "retries_left": "98{retry}", "paused": "0s", "failing": "6s", "holding": "0",
		})
		time.Sleep(time.Hour)
		if err := registration.Unregister(); err != nil || len(o.metrics(t)) > 0 {
			t.Errorf("after the end: %v, %v", err, o.metrics(t))
		}
	})
}

// The holding gauge is 1 while a batch waits for the end of an outage.
func TestObserveStatsOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.Fail(slices.Repeat([]trusthubtest.Fault{{Status: 503}}, 20)...)
		client := apitest.Over(t, fake, apitest.Defaults())
		o := newObserver()
		if _, err := trusthubotel.ObserveStats(client, o.options()...); err != nil {
			t.Fatal(err)
		}
		go func() {
			for range client.FetchCustomerProfiles(t.Context(), slices.Values(slices.Repeat([]string{sid}, 16))) {
				continue
			}
		}()
		time.Sleep(9 * time.Second)
		expect(t, "holding", o.metrics(t)["trusthub.client.holding"], []string{"1: "})
		time.Sleep(time.Hour)
		expect(t, "holding", o.metrics(t)["trusthub.client.holding"], []string{"0: "})
	})
}

func expectGauges(t *testing.T, o *observer, want map[string]string) {
	t.Helper()
	got := o.metrics(t)
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for name, value := range want {
		expect(t, name, got["trusthub.client."+name], []string{value + ": account=a"})
	}
}
