package trusthubotel

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Option configures [Hooks], [ObserveStats] and [ObserveTracker].
type Option func(*config)

// WithTracerProvider sets the provider of the spans. The default is the global one. [ObserveStats]
// ignores it.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return func(c *config) { c.tracers = provider }
}

// WithMeterProvider sets the provider of the metrics. The default is the global one.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return func(c *config) { c.meters = provider }
}

// WithAttributes adds attributes to all spans and metrics. A program with several clients needs
// them for [ObserveStats], whose gauges are the same for all clients otherwise.
func WithAttributes(attributes ...attribute.KeyValue) Option {
	return func(c *config) { c.attributes = append(c.attributes, attributes...) }
}

type config struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	attributes []attribute.KeyValue
}

func newConfig(opts []Option) *config {
	c := &config{tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider()}
	for _, option := range opts {
		option(c)
	}
	return c
}

const (
	scope   = "github.com/seed07fc1495/trusthub/trusthubotel"
	version = "0.1.0"
)

func (c *config) tracer() trace.Tracer {
	return c.tracers.Tracer(scope, trace.WithInstrumentationVersion(version), trace.WithSchemaURL(semconv.SchemaURL))
}

func (c *config) meter() metric.Meter {
	return c.meters.Meter(scope, metric.WithInstrumentationVersion(version), metric.WithSchemaURL(semconv.SchemaURL))
}
