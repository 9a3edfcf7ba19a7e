//go:build !race

package trusthubotel_test

import (
	"testing"

	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubotel"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// The allocations that hooks add to a fetch have an upper limit. With the race detector, pools do
// not keep their objects.
func TestAllocations(t *testing.T) {
	without := allocationsOfAFetch(t)
	for name, test := range map[string]struct {
		sampler trace.Sampler
		most    float64
	}{
		"sampled":     {trace.AlwaysSample(), 26},
		"not sampled": {trace.NeverSample(), 13},
	} {
		o := newObserver()
		o.tracers = trace.NewTracerProvider(trace.WithSampler(test.sampler))
		with := allocationsOfAFetch(t, trusthub.WithHooks(trusthubotel.Hooks(o.options()...)))
		t.Logf("%s: %.0f more", name, with-without)
		if with-without > test.most {
			t.Errorf("%s: %.0f allocations more than without, %.0f at most", name, with-without, test.most)
		}
	}
}

func allocationsOfAFetch(t *testing.T, opts ...trusthub.Option) float64 {
	t.Helper()
	client, ctx := apitest.Over(t, trusthubtest.NewHandler(), opts...), t.Context()
	return testing.AllocsPerRun(1000, func() {
		if _, err := client.FetchCustomerProfile(ctx, sid); err != nil {
			t.Fatal(err)
		}
	})
}
