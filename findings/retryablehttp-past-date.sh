#!/usr/bin/env bash
# go-retryablehttp v0.7.8: a Retry-After with a date that has just passed turns backoff off.
#
# Guess: a Retry-After that asks for no wait is ignored, and the exponential backoff counts.
# Found: the wait is 0. A client that retries 10 times sends 11 requests within milliseconds, to a
# server that said it is overloaded, as soon as its clock is a second ahead of the server's.
# Source: DefaultBackoff and parseRetryAfterHeader in client.go of that version.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

func main() {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Retry-After", time.Now().Add(-2*time.Second).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	client := retryablehttp.NewClient()
	client.Logger, client.RetryMax, client.RetryWaitMin = nil, 10, time.Second
	start := time.Now()
	_, err := client.Get(server.URL)
	fmt.Println("requests:", requests, "within a second:", time.Since(start) < time.Second, "error:", err != nil)
}
GO
go mod init finding > /dev/null 2>&1
go get github.com/hashicorp/go-retryablehttp@v0.7.8 > /dev/null 2>&1
got=$(go run .)
echo "go-retryablehttp v0.7.8, RetryWaitMin 1s, 503 with a Retry-After date 2 s ago: $got"
[ "$got" = "requests: 11 within a second: true error: true" ]
