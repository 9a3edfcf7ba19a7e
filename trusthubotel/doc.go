// Package trusthubotel shows what a client of trusthub does as OpenTelemetry spans and metrics.
//
//	client, err := trusthub.NewClient(auth, trusthub.WithHooks(trusthubotel.Hooks()))
//	...
//	_, err = trusthubotel.ObserveStats(client)
//
// The providers are the global ones, unless [WithTracerProvider] or [WithMeterProvider] names
// others.
//
// # Spans
//
// A call is a span of kind internal from its start to its end, waits and retries included, with
// trusthub.attempts, the number of requests. In it, each request that is sent is a span of kind
// client by the [conventions for HTTP], version 1.43.0: http.request.method,
// http.response.status_code, http.request.resend_count (of the second on), error.type,
// server.address, server.port, url.scheme and url.template; with trusthub.waited, the seconds in
// which it waited for its turn before, and the header Twilio-Request-Id, which Twilio's support
// asks for.
//
// The conventions also want url.full. It is left out on purpose, since it holds the SID of a
// profile, and SIDs lead to people. No credential, body or other header is recorded either.
//
// # Metrics
//
// Durations are in seconds.
//
//	http.client.request.duration    one request, from its turn to the end of its body; by status and error.type
//	trusthub.client.request.wait    one request, from when it was wanted to its turn
//	trusthub.client.call.duration   one call, waits and retries included; by error.type
//	trusthub.client.call.attempts   the requests of a call; by error.type
//	trusthub.callback.duration      one request to a handler of CallbackHandler; by status and error.type
//
// The gauges trusthub.client.limit, .in_flight, .waiting, .retries_left, .paused, .failing and
// .holding are the fields of [trusthub.Stats].
//
// [ObserveTracker] shows a [trusthub.Tracker]: trusthub.tracker.profiles, .pending,
// .sweep.duration, .sweep.age, .success.age and .changes.
//
// # Errors
//
// What fails has an error.type: the status, such as 503, or else the [trusthub.Reason], such as
// timeout. A response with status 2xx whose body broke off is torn. What decode names is a failure
// of the call alone, and so is a redirect, which is no error of HTTP. The status that a gateway
// answered with is the error.type of its request; that of the call is gateway. The error.type of a
// callback is its reason (see [trusthub.CallbackInfo]): alert on signature, fetch and handle;
// no_signature is probes and strangers.
//
// # Together with otelhttp
//
// Package otelhttp goes into [trusthub.WithMiddleware], whose innermost transport stays the
// client's own:
//
//	trusthub.WithMiddleware(func(next http.RoundTripper) http.RoundTripper { return otelhttp.NewTransport(next) })
//
// Replacing http.DefaultTransport by a wrapper takes away the client's pool of connections (3,000
// profiles took 1,452 connections that way, and 72 with the pool) and its health checks; NewClient
// logs a warning then. Both record http.client.request.duration: the series differ by the name of
// the scope (otel_scope_name in Prometheus), and those of otelhttp have no error.type for a 503.
// Choose one of the two with a view, or by the scope in each query, so that no request counts
// twice.
//
// # Trace context
//
// Nothing is sent to Twilio: requests have no traceparent header, since what third parties learn is
// for the program to decide. One that has a gateway of its own in between adds the header in a
// middleware, where the context is that of the request's span, as the example of Hooks does.
//
// # Prometheus
//
// The example in [examples/prometheus] has it scrape these metrics, in ten lines.
//
// [conventions for HTTP]: https://opentelemetry.io/docs/specs/semconv/http/
// [examples/prometheus]: https://github.com/seed07fc1495/trusthub/blob/main/examples/prometheus/prometheus.go
package trusthubotel
