package trusthubotel

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed07fc1495/trusthub"
)

// Hooks returns hooks for [trusthub.WithHooks] that record spans and metrics. Several clients may
// share them. An instrument that cannot be created is reported to OpenTelemetry's error handler.
func Hooks(opts ...Option) trusthub.Hooks {
	c := newConfig(opts)
	r := &recorder{tracer: c.tracer(), instruments: newInstruments(c.meter()), attributes: c.attributes}
	return trusthub.Hooks{
		CallStart: r.callStart, AttemptStart: r.attemptStart, AttemptDone: r.attemptDone, CallDone: r.callDone, CallbackDone: r.callbackDone,
	}
}

type recorder struct {
	instruments
	tracer     trace.Tracer
	attributes []attribute.KeyValue
	targets    kept[endpoint, *target]
}

// part is a call or a request in progress. It keeps its span, since another hook may have replaced
// that of the context.
type part struct {
	target *target
	span   trace.Span
	start  time.Time
	outer  *part // the part around it; for equal hooks on one client, both of the same start
	ended  bool
}

// within returns the part of a context; nil if other hooks have dropped it.
func (r *recorder) within(ctx context.Context) *part {
	p, _ := ctx.Value(r).(*part)
	return p
}

func (r *recorder) callStart(ctx context.Context, info trusthub.CallInfo) context.Context {
	e := endpoint{info.Method, info.Route, info.Scheme, info.Host}
	t := r.targets.get(e, func() *target { return newTarget(e, r.attributes) })
	ctx, span := r.tracer.Start(ctx, "trusthub "+t.name, t.ofCall...)
	return context.WithValue(ctx, r, &part{target: t, span: span, start: time.Now(), outer: r.within(ctx)})
}

func (r *recorder) attemptStart(ctx context.Context, info trusthub.AttemptInfo) context.Context {
	call := r.within(ctx)
	if call == nil {
		return ctx
	}
	start := time.Now()
	ctx, span := r.tracer.Start(ctx, call.target.name, call.target.ofRequest...)
	if span.IsRecording() {
		span.SetAttributes(attribute.Float64("trusthub.waited", info.Waited.Seconds()))
		if info.Number > 1 {
			span.SetAttributes(semconv.HTTPRequestResendCount(info.Number - 1))
		}
	}
	return context.WithValue(ctx, r, &part{target: call.target, span: span, start: start, outer: call})
}

func (r *recorder) attemptDone(ctx context.Context, info trusthub.AttemptInfo) {
	request := r.within(ctx).current()
	if request == nil {
		return
	}
	kind := requestErrorType(info)
	r.request.Record(ctx, info.Duration.Seconds(), request.target.recorded(outcome{info.StatusCode, kind})...)
	r.wait.Record(ctx, info.Waited.Seconds(), request.target.recorded(outcome{})...)
	if info.StatusCode != 0 && request.span.IsRecording() {
		status := semconv.HTTPResponseStatusCode(info.StatusCode)
		if info.RequestID != "" {
			request.span.SetAttributes(status, semconv.HTTPResponseHeader("twilio-request-id", info.RequestID))
		} else {
			request.span.SetAttributes(status)
		}
	}
	description := ""
	if info.Err != nil && info.StatusCode < 400 { // otherwise the status is enough
		description = info.Err.Error()
	}
	request.end(kind, description, info.Duration)
}

func (r *recorder) callDone(ctx context.Context, info trusthub.CallInfo) {
	call := r.within(ctx).current()
	if call == nil {
		return
	}
	kind, description := callErrorType(info), ""
	if info.Err != nil {
		description = info.Err.Error()
	}
	r.call.Record(ctx, info.Duration.Seconds(), call.target.recorded(outcome{errorType: kind})...)
	r.attempts.Record(ctx, int64(info.Attempts), call.target.recorded(outcome{errorType: kind})...)
	if call.span.IsRecording() {
		call.span.SetAttributes(attribute.Int("trusthub.attempts", info.Attempts))
	}
	call.end(kind, description, info.Duration)
}

// callbackDone records callbacks by status and reason. The server around the handler makes the
// spans.
func (r *recorder) callbackDone(ctx context.Context, info trusthub.CallbackInfo) {
	all := append(slices.Clip(r.attributes), semconv.HTTPResponseStatusCode(info.Status))
	if info.Reason != "" {
		all = append(all, semconv.ErrorTypeKey.String(info.Reason))
	}
	r.callback.Record(ctx, info.Duration.Seconds(), metric.WithAttributes(all...))
}

// current returns the innermost part that has not ended.
func (p *part) current() *part {
	for p != nil && p.ended {
		p = p.outer
	}
	return p
}

// end ends the span with the end time of the request, which came before the decision about a retry.
func (p *part) end(errorType, description string, took time.Duration) {
	if errorType != "" {
		p.span.SetAttributes(semconv.ErrorTypeKey.String(errorType))
		p.span.SetStatus(codes.Error, description) // errors for hooks hold no secrets
	}
	p.ended = true
	if p.span.IsRecording() {
		p.span.End(trace.WithTimestamp(p.start.Add(took)))
	} else {
		p.span.End()
	}
}

// requestErrorType returns the status of any sender, or else the reason; "" for success and for a
// redirect, which is not an error in HTTP.
func requestErrorType(info trusthub.AttemptInfo) string {
	switch {
	case info.StatusCode >= 400:
		return strconv.Itoa(info.StatusCode)
	case info.Reason == trusthub.ReasonStatus, info.Reason == trusthub.ReasonGateway:
		return ""
	}
	return string(info.Reason)
}

// callErrorType returns the status of Twilio, or else the reason; "" for success.
func callErrorType(info trusthub.CallInfo) string {
	if refusal, ok := errors.AsType[*trusthub.Error](info.Err); ok && info.Reason == trusthub.ReasonStatus {
		return strconv.Itoa(refusal.StatusCode)
	}
	return string(info.Reason)
}
