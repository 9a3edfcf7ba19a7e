#!/usr/bin/env bash
# net/http of Go 1.26.8: the Timeout of an http.Client costs goroutines behind every transport that
# net/http does not know by name.
#
# Guess: Timeout is a context's deadline, and costs a timer.
# Found: for *http.Transport it does. A RoundTripper of one's own that only calls it, such as every
# tracing or retrying middleware, makes each request hold two more goroutines until its body is
# read. A deadline of the request's context costs none.
# Source: setRequestCancel in net/http/client.go.
set -euo pipefail
export GOTOOLCHAIN=go1.26.8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"time"
)

type wrapper struct{ next http.RoundTripper }

func (w wrapper) RoundTrip(r *http.Request) (*http.Response, error) { return w.next.RoundTrip(r) }

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }))
	defer server.Close()
	open := func(client *http.Client, ctx context.Context) int {
		before := runtime.NumGoroutine()
		for range 50 { // bodies that are not read to their end yet
			req, _ := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
			if _, err := client.Do(req); err != nil {
				panic(err)
			}
		}
		time.Sleep(200 * time.Millisecond)
		return runtime.NumGoroutine() - before
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	known := open(&http.Client{Transport: &http.Transport{}, Timeout: time.Minute}, context.Background())
	wrapped := open(&http.Client{Transport: wrapper{&http.Transport{}}, Timeout: time.Minute}, context.Background())
	deadline := open(&http.Client{Transport: wrapper{&http.Transport{}}}, ctx)
	fmt.Println("more goroutines, wrapped with Timeout:", wrapped-known, "wrapped with a context:", deadline-known)
}
GO
go mod init finding > /dev/null 2>&1
got=$(go run .)
echo "$(go env GOVERSION), 50 open responses: $got"
[ "$got" = "more goroutines, wrapped with Timeout: 100 wrapped with a context: 0" ]
