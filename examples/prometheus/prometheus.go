// Package prometheus exports the metrics of clients and trackers to Prometheus.
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubotel"
)

// Metrics has the metrics of any number of clients, with the label account.
type Metrics struct{ meters trusthubotel.Option }

// New returns metrics in a registry, such as prometheus.DefaultRegisterer. promhttp.Handler serves
// them. Call it once for each registry, since a registry accepts one exporter. The metrics have no
// scope labels.
func New(registry prometheus.Registerer) (*Metrics, error) {
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	return &Metrics{trusthubotel.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))}, nil
}

// NewClient returns a client whose metrics have the label account, a name of your choice.
func (m *Metrics) NewClient(account string, auth trusthub.Auth, opts ...trusthub.Option) (*trusthub.Client, error) {
	label := of(account)
	client, err := trusthub.NewClient(auth, append(opts, trusthub.WithHooks(trusthubotel.Hooks(m.meters, label)))...)
	if err != nil {
		return nil, err
	}
	_, err = trusthubotel.ObserveStats(client, m.meters, label)
	return client, err
}

// Observe adds the metrics of a tracker.
func (m *Metrics) Observe(account string, tracker *trusthub.Tracker) error {
	_, err := trusthubotel.ObserveTracker(tracker, m.meters, of(account))
	return err
}

func of(account string) trusthubotel.Option {
	return trusthubotel.WithAttributes(attribute.String("account", account))
}
