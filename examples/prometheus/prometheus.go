// Package prometheus has Prometheus scrape what a client does.
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubotel"
)

// NewClient returns a client whose metrics are in a registry, such as prometheus.DefaultRegisterer, which promhttp.Handler serves. A
// registry takes one exporter: several clients share the MeterProvider, and are told apart by trusthubotel.WithAttributes.
func NewClient(auth trusthub.Auth, registry prometheus.Registerer, opts ...trusthub.Option) (*trusthub.Client, error) {
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, err
	}
	meters := trusthubotel.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	client, err := trusthub.NewClient(auth, append(opts, trusthub.WithHooks(trusthubotel.Hooks(meters)))...)
	if err != nil {
		return nil, err
	}
	_, err = trusthubotel.ObserveStats(client, meters)
	return client, err
}
