package trusthubotel_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubotel"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const sid = trusthubtest.ExampleSID

// observer records spans and metrics in memory.
type observer struct {
	tracers *trace.TracerProvider
	ended   *tracetest.SpanRecorder
	meters  *metric.MeterProvider
	reader  *metric.ManualReader
}

func newObserver() *observer {
	o := &observer{ended: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	o.tracers = trace.NewTracerProvider(trace.WithSpanProcessor(o.ended))
	o.meters = metric.NewMeterProvider(metric.WithReader(o.reader))
	return o
}

func (o *observer) options(more ...trusthubotel.Option) []trusthubotel.Option {
	return append(more, trusthubotel.WithTracerProvider(o.tracers), trusthubotel.WithMeterProvider(o.meters))
}

func (o *observer) hooks(more ...trusthubotel.Option) trusthub.Option {
	return trusthub.WithHooks(trusthubotel.Hooks(o.options(more...)...))
}

// spans returns the ended spans in order, one per line: name, parent, kind, status and attributes.
func (o *observer) spans() []string {
	names := make(map[string]string)
	for _, span := range o.ended.Ended() {
		names[span.SpanContext().SpanID().String()] = span.Name()
	}
	var lines []string
	for _, span := range o.ended.Ended() {
		lines = append(lines, fmt.Sprintf("%s in %q, %s, %s %q: %s", span.Name(), names[span.Parent().SpanID().String()], span.SpanKind(),
			span.Status().Code, span.Status().Description, written(span.Attributes())))
	}
	return lines
}

// metrics returns the collected metrics by name, with one line for each set of attributes, in
// order.
func (o *observer) metrics(t *testing.T) map[string][]string {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := o.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	lines := make(map[string][]string)
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			lines[one.Name] = points(one)
		}
	}
	return lines
}

func points(one metricdata.Metrics) []string {
	var lines []string
	switch data := one.Data.(type) {
	case metricdata.Histogram[float64]:
		for _, point := range data.DataPoints {
			lines = append(lines, fmt.Sprintf("%d of %g%s: %s", point.Count, point.Sum, one.Unit, written(point.Attributes.ToSlice())))
		}
	case metricdata.Histogram[int64]:
		for _, point := range data.DataPoints {
			lines = append(lines, fmt.Sprintf("%d of %d%s: %s", point.Count, point.Sum, one.Unit, written(point.Attributes.ToSlice())))
		}
	case metricdata.Sum[int64]:
		for _, point := range data.DataPoints {
			lines = append(lines, fmt.Sprintf("%d%s: %s", point.Value, one.Unit, written(point.Attributes.ToSlice())))
		}
	case metricdata.Gauge[float64]:
		for _, point := range data.DataPoints {
			lines = append(lines, fmt.Sprintf("%g%s: %s", point.Value, one.Unit, written(point.Attributes.ToSlice())))
		}
	}
	slices.Sort(lines)
	return lines
}

// written returns attributes in the order of their keys.
func written(attributes []attribute.KeyValue) string {
	var all []string
	for _, one := range attributes {
		all = append(all, fmt.Sprintf("%s=%s", one.Key, one.Value.String()))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
