package trusthubotel

import (
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
)

type instruments struct {
	request  metric.Float64Histogram
	wait     metric.Float64Histogram
	call     metric.Float64Histogram
	attempts metric.Int64Histogram
	callback metric.Float64Histogram
}

func newInstruments(meter metric.Meter) instruments {
	// The bounds for requests, and longer ones for the waits of a batch in an outage.
	seconds := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 900}
	request, err1 := httpconv.NewClientRequestDuration(meter)
	wait, err2 := meter.Float64Histogram("trusthub.client.request.wait", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(seconds...),
		metric.WithDescription("Time that a request waited for a slot."))
	call, err3 := meter.Float64Histogram("trusthub.client.call.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(seconds...),
		metric.WithDescription("Duration of calls, waits and retries included."))
	attempts, err4 := meter.Int64Histogram("trusthub.client.call.attempts", metric.WithUnit("{request}"),
		metric.WithExplicitBucketBoundaries(0, 1, 2, 3, 5, 10, 20, 50), metric.WithDescription("Requests of a call."))
	callback, err5 := meter.Float64Histogram("trusthub.callback.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(seconds...),
		metric.WithDescription("Duration of requests to a handler of status callbacks."))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		otel.Handle(err)
	}
	return instruments{request.Inst(), wait, call, attempts, callback}
}
