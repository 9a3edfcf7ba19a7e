package trusthubotel_test

import (
	"context"
	"iter"
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

func TestObserveTracker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.Put(trusthub.CustomerProfile{SID: apitest.NumberedSID(1), Status: "frozen"})
		fake.Delay(time.Second)
		tracker, err := apitest.Over(t, fake).NewTracker(trusthub.TrackerConfig{
			SIDs: func() iter.Seq[string] {
				return slices.Values([]string{sid, apitest.NumberedSID(1), apitest.UnknownSID})
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		o := newObserver()
		registration, err := trusthubotel.ObserveTracker(tracker, o.options(trusthubotel.WithAttributes(attribute.String("account", "a")))...)
		if err != nil {
			t.Fatal(err)
		}
		expectTracker(t, o, map[string][]string{"profiles": {"0{profile}: account=a"}, "pending": {"0{profile}: account=a"}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = tracker.Run(ctx, func(context.Context, trusthub.Change) error { return nil })
		expectTracker(t, o, map[string][]string{
			"profiles": {"3{profile}: account=a"}, "pending": {"0{profile}: account=a"},
			"sweep.duration": {"1s: account=a"}, "sweep.age": {"59s: account=a"}, "success.age": {"59s: account=a"},
			"changes": {
				"1{change}: account=a trusthub.profile.status=draft",
				"1{change}: account=a trusthub.profile.status=error",
				"1{change}: account=a trusthub.profile.status=other",
			},
		})
		if err := registration.Unregister(); err != nil || len(o.metrics(t)) > 0 {
			t.Errorf("after the end: %v, %v", err, o.metrics(t))
		}
	})
}

func expectTracker(t *testing.T, o *observer, want map[string][]string) {
	t.Helper()
	got := o.metrics(t)
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for name, lines := range want {
		expect(t, name, got["trusthub.tracker."+name], lines)
	}
}
