package trusthubotel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/seed07fc1495/trusthub"
)

// ObserveStats registers gauges for the [trusthub.Stats] of a client, read at each collection of
// metrics. Call Unregister of the result to end them and to release the client. [WithAttributes]
// distinguishes several clients.
func ObserveStats(client *trusthub.Client, opts ...Option) (metric.Registration, error) {
	c := newConfig(opts)
	meter, attributes := c.meter(), metric.WithAttributes(c.attributes...)
	var instruments []metric.Float64ObservableGauge
	var observables []metric.Observable
	var errs []error
	for _, g := range gauges() {
		instrument, err := meter.Float64ObservableGauge("trusthub.client."+g.name, metric.WithUnit(g.unit), metric.WithDescription(g.description))
		instruments, observables, errs = append(instruments, instrument), append(observables, instrument), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		stats := client.Stats()
		for i, g := range gauges() {
			observer.ObserveFloat64(instruments[i], g.value(stats), attributes)
		}
		return nil
	}, observables...)
}

type gauge struct {
	name, unit, description string
	value                   func(trusthub.Stats) float64
}

func gauges() []gauge {
	return []gauge{
		{"limit", "{request}", "Requests that may be in flight, as found so far; 0: no limit.", func(s trusthub.Stats) float64 { return s.Limit }},
		{"in_flight", "{request}", "Requests in flight.", func(s trusthub.Stats) float64 { return float64(s.InFlight) }},
		{"waiting", "{call}", "Calls that wait for a slot, or in a batch for another attempt.", func(s trusthub.Stats) float64 { return float64(s.Waiting) }},
		{"retries_left", "{retry}", "Retries left of the quota.", func(s trusthub.Stats) float64 { return float64(s.RetriesLeft) }},
		{"paused", "s", "Remaining pause after a 429.", func(s trusthub.Stats) float64 { return s.Paused.Seconds() }},
		{"failing", "s", "Time since the first failed request after Twilio's last final response; 0: none has failed since.", failing},
		{"holding", "", "1 while a batch waits for the end of an outage, otherwise 0.", holding},
	}
}

func failing(s trusthub.Stats) float64 {
	if s.FailingSince.IsZero() {
		return 0
	}
	return time.Since(s.FailingSince).Seconds()
}

func holding(s trusthub.Stats) float64 {
	if s.Holding {
		return 1
	}
	return 0
}
