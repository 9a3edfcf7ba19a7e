#!/usr/bin/env bash
# ogen v1.24.0: a value that an enumeration of the document does not have yet costs the whole
# response.
#
# Guess: a client passes on an unknown value of a string enumeration, or only that field is missing.
# Found: the response is a decode error, since responses are validated. An API that adds a status,
# which most call no breaking change, breaks every deployed client for the objects that have it.
# oapi-codegen v2.8.2 passes it on.
# Source: the generated Validate method, which the generated client calls for each response.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
cat > api.yaml <<'YAML'
openapi: 3.0.3
info: {title: finding, version: 1.0.0}
paths:
  /thing:
    get:
      operationId: getThing
      responses:
        '200':
          description: a thing
          content: {application/json: {schema: {type: object, properties: {name: {type: string}, status: {type: string, enum: [draft, approved]}}}}}
YAML
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"finding/api"
)

func main() {
	status := "draft"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"name":"n","status":%q}`, status)
	}))
	defer server.Close()
	client, err := api.NewClient(server.URL)
	if err != nil {
		panic(err)
	}
	good, err := client.GetThing(context.Background())
	fmt.Print("draft: ", err == nil && good.Name.Value == "n")
	status = "suspended"
	bad, err := client.GetThing(context.Background())
	fmt.Println("; suspended: response", bad != nil, "error", err != nil)
}
GO
go mod init finding > /dev/null 2>&1
go run github.com/ogen-go/ogen/cmd/ogen@v1.24.0 --target api --package api api.yaml > /dev/null 2>&1
go mod tidy > /dev/null 2>&1
got=$(go run .)
echo "ogen v1.24.0, a status of: $got"
[ "$got" = "draft: true; suspended: response false error true" ]
