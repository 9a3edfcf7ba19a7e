// Package trusthubotel records the calls of a trusthub client as OpenTelemetry spans and metrics.
//
//	client, err := trusthub.NewClient(auth, trusthub.WithHooks(trusthubotel.Hooks()))
//	...
//	_, err = trusthubotel.ObserveStats(client)
//
// The providers are the global ones, unless [WithTracerProvider] or [WithMeterProvider] sets
// others.
//
// # Spans
//
// A call is a span of kind internal from its start to its end, waits and retries included. It has
// trusthub.attempts, the number of requests. Each request is a span of kind client in it, by the
// [conventions for HTTP], version 1.43.0: http.request.method, http.response.status_code,
// http.request.resend_count (from the second request on), error.type, server.address, server.port,
// url.scheme and url.template. It also has trusthub.waited, the seconds that the request waited for
// a slot, and the header Twilio-Request-Id, which Twilio's support asks for.
//
// The conventions also require url.full. It is left out on purpose, since it holds the SID of a
// profile, which identifies a customer. Neither credentials, bodies nor other headers are recorded.
//
// # Metrics
//
// Durations are in seconds.
//
//	http.client.request.duration    one request, without its wait; by status and error.type
//	trusthub.client.request.wait    the wait of one request for its slot
//	trusthub.client.call.duration   one call, waits and retries included; by error.type
//	trusthub.client.call.attempts   the requests of a call; by error.type
//	trusthub.callback.duration      one request to a callback handler; by status and error.type
//
// The gauges trusthub.client.limit, .in_flight, .waiting, .retries_left, .paused and .holding are
// fields of [trusthub.Stats]. trusthub.client.failing is the time since its FailingSince.
//
// [ObserveTracker] records a [trusthub.Tracker]: trusthub.tracker.profiles, .pending,
// .sweep.duration, .sweep.age, .success.age and .changes.
//
// # Errors
//
// A failure has an error.type: the status, such as 503, or else the [trusthub.Reason], such as
// timeout. A 2xx response with a truncated body is torn. decode and a redirect fail the call only,
// not its request. A response of a gateway has its status as the error.type of the request, and
// gateway as that of the call. The error.type of a callback is its reason, see
// [trusthub.CallbackInfo].
//
// # Together with otelhttp
//
// Put package otelhttp into [trusthub.WithMiddleware]. The innermost transport stays the client's
// own then:
//
//	trusthub.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
//		return otelhttp.NewTransport(next)
//	})
//
// If a wrapper replaces http.DefaultTransport, the client has no connection pool of its own (3,000
// profiles needed 1,452 connections that way, and 72 with the pool) and no health checks; NewClient
// logs a warning. Both packages record http.client.request.duration. The series differ by the name
// of the scope (otel_scope_name in Prometheus), and those of otelhttp have no error.type for a 503.
// Choose one of the two by a view, or by the scope in each query, so that no request counts twice.
//
// # Trace context
//
// No trace context is sent to Twilio: requests have no traceparent header, since the program
// decides what third parties learn. A program with its own gateway can add the header in a
// middleware, whose context is that of the request's span. See the example of Hooks.
//
// # Prometheus
//
// [examples/prometheus] exposes these metrics to Prometheus, in ten lines.
//
// [conventions for HTTP]: https://opentelemetry.io/docs/specs/semconv/http/
// [examples/prometheus]: https://github.com/seed07fc1495/trusthub/tree/main/examples/prometheus
package trusthubotel
