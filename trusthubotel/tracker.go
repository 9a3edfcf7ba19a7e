package trusthubotel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/seed07fc1495/trusthub"
)

// ObserveTracker registers instruments for the [trusthub.TrackerStats] of a tracker, as
// [ObserveStats] does for a client:
//
//	trusthub.tracker.profiles       tracked profiles
//	trusthub.tracker.pending        SIDs that wait for a poll or for the handler
//	trusthub.tracker.sweep.duration of the last complete sweep
//	trusthub.tracker.sweep.age      time since its end; absent before the first one
//	trusthub.tracker.success.age    time since Twilio's last final response; absent before
//	trusthub.tracker.changes        handled changes, by trusthub.profile.status
//
// The status "other" is an undocumented one, and "error" is an error of a SID. Alert on the age of
// the sweep, and on a number of pending SIDs that does not fall.
func ObserveTracker(tracker *trusthub.Tracker, opts ...Option) (metric.Registration, error) {
	c := newConfig(opts)
	meter, common := c.meter(), metric.WithAttributes(c.attributes...)
	var errs []error
	gauge := func(name, unit, description string) metric.Float64ObservableGauge {
		g, err := meter.Float64ObservableGauge("trusthub.tracker."+name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return g
	}
	profiles := gauge("profiles", "{profile}", "Profiles that are tracked.")
	pending := gauge("pending", "{profile}", "Profiles that wait to be polled, or whose change is not handled yet.")
	sweep := gauge("sweep.duration", "s", "Duration of the last complete sweep.")
	sweepAge := gauge("sweep.age", "s", "Time since the last complete sweep has ended.")
	successAge := gauge("success.age", "s", "Time since Twilio's last final response.")
	changes, err := meter.Int64ObservableCounter("trusthub.tracker.changes", metric.WithUnit("{change}"),
		metric.WithDescription("Changes that were handled."))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		stats := tracker.Stats()
		o.ObserveFloat64(profiles, float64(stats.Profiles), common)
		o.ObserveFloat64(pending, float64(stats.Pending), common)
		observeAge(o, sweepAge, stats.LastSweep, common)
		observeAge(o, successAge, stats.LastSuccess, common)
		if !stats.LastSweep.IsZero() {
			o.ObserveFloat64(sweep, stats.SweepTime.Seconds(), common)
		}
		for status, n := range stats.Changes {
			o.ObserveInt64(changes, int64(n), common, metric.WithAttributes(attribute.String("trusthub.profile.status", nameOf(status))))
		}
		return nil
	}, profiles, pending, sweep, sweepAge, successAge, changes)
}

func observeAge(o metric.Observer, gauge metric.Float64ObservableGauge, at time.Time, common metric.MeasurementOption) {
	if !at.IsZero() {
		o.ObserveFloat64(gauge, time.Since(at).Seconds(), common)
	}
}

// nameOf returns the status, or "other" for an undocumented one.
func nameOf(status trusthub.CustomerProfileStatus) string {
	switch {
	case status == "":
		return "error"
	case !status.Valid():
		return "other"
	}
	return string(status)
}
