#!/usr/bin/env bash
# otelhttp v0.72.0 above go-retryablehttp v0.7.8: requests with a body have spans, but no metrics.
#
# Guess: around the StandardClient of go-retryablehttp, otelhttp sees each call once, with all its
# attempts: one span and one http.client.request.duration, for each method.
# Found: a GET has both. A POST has only the span, also when its first attempt succeeds. Since
# v0.72.0, duration and size are recorded when the request body is closed, and go-retryablehttp
# reads the body into a buffer of its own and never closes it. So this minor update removes all
# writes from rates and alerts, without an error. Below go-retryablehttp they stay.
# Source: requestTracker in transport.go of otelhttp, getBodyReaderAndContentLength in client.go of
# go-retryablehttp.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hashicorp/go-retryablehttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func count(method, url string, above bool) (spans int, durations uint64) {
	recorder, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	instrument := func(next http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(next,
			otelhttp.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(recorder))),
			otelhttp.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))))
	}
	retrying := retryablehttp.NewClient()
	retrying.Logger = nil
	client := retrying.StandardClient()
	if above {
		client.Transport = instrument(client.Transport)
	} else {
		retrying.HTTPClient.Transport = instrument(retrying.HTTPClient.Transport)
	}
	var body io.Reader
	if method != "GET" {
		body = strings.NewReader(`{"name":"n"}`)
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		panic(err)
	}
	response, err := client.Do(request)
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		panic(err)
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
				for _, point := range h.DataPoints {
					durations += point.Count
				}
			}
		}
	}
	return len(recorder.Ended()), durations
}

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	}))
	defer server.Close()
	for _, method := range []string{"GET", "POST", "PUT"} {
		spans, durations := count(method, server.URL, true)
		fmt.Printf("%s: above: spans %d durations %d", method, spans, durations)
		spans, durations = count(method, server.URL, false)
		fmt.Printf("; below: spans %d durations %d\n", spans, durations)
	}
}
GO
go mod init finding > /dev/null 2>&1
with() {
  go get github.com/hashicorp/go-retryablehttp@v0.7.8 \
    "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp@$1" \
    go.opentelemetry.io/otel/sdk/{trace/tracetest,metric}@v1.47.0 > /dev/null 2>&1
  echo "otelhttp $1"
  go run .
}
got=$(with v0.71.0 && with v0.72.0)
echo "otelhttp above and below go-retryablehttp v0.7.8, one attempt, 200:"
echo "$got"
[ "$got" = "otelhttp v0.71.0
GET: above: spans 1 durations 1; below: spans 1 durations 1
POST: above: spans 1 durations 1; below: spans 1 durations 1
PUT: above: spans 1 durations 1; below: spans 1 durations 1
otelhttp v0.72.0
GET: above: spans 1 durations 1; below: spans 1 durations 1
POST: above: spans 1 durations 0; below: spans 1 durations 1
PUT: above: spans 1 durations 0; below: spans 1 durations 1" ]
