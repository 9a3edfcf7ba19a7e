#!/usr/bin/env bash
# kin-openapi v0.153.0: in OpenAPI 3.1, maxLength beside a $ref makes a parameter reject all values.
#
# Guess: a keyword beside $ref counts as in a body: of two letters and four, with maxLength: 3, the
# request validator accepts the two.
# Found: in a body it does. As a query parameter even the short value is an error, "empty value is
# not allowed". The loader makes an allOf of reference and keyword, and the decoder of parameters
# returns what the last member of an allOf decodes to, which is nothing if it has no type. With a
# description beside $ref, or the type again, it works.
# Source: applyRefSiblings in openapi3/loader.go, and decodeValueGuarded in
# openapi3filter/req_resp_decoder.go of that version.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

const document = `
openapi: 3.1.0
info: {title: finding, version: 1.0.0}
components: {schemas: {Name: {type: string}}}
paths:
  /things:
    post:
      parameters: [{name: name, in: query, schema: {$ref: '#/components/schemas/Name' SIBLING}}]
      requestBody:
        content: {application/json: {schema: {$ref: '#/components/schemas/Name' SIBLING}}}
      responses: {'200': {description: a thing}}
`

func verdict(sibling, query, body string) string {
	doc, err := openapi3.NewLoader().LoadFromData(
		[]byte(strings.ReplaceAll(document, " SIBLING", sibling)))
	if err != nil {
		panic(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		panic(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		panic(err)
	}
	request := httptest.NewRequest("POST", "/things"+query, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	route, _, err := router.FindRoute(request)
	if err != nil {
		panic(err)
	}
	err = openapi3filter.ValidateRequest(context.Background(),
		&openapi3filter.RequestValidationInput{Request: request, Route: route})
	switch {
	case err == nil:
		return "accepted"
	case errors.Is(err, openapi3filter.ErrInvalidEmptyValue):
		return openapi3filter.ErrInvalidEmptyValue.Error()
	default:
		return "rejected"
	}
}

func main() {
	for _, sibling := range []string{
		"", ", description: d", ", maxLength: 3", ", maxLength: 3, type: string",
	} {
		fmt.Printf("$ref%s: query ab %s; body ab %s; body abcd %s\n", sibling,
			verdict(sibling, "?name=ab", ""), verdict(sibling, "", `"ab"`),
			verdict(sibling, "", `"abcd"`))
	}
}
GO
go mod init finding > /dev/null 2>&1
go get github.com/getkin/kin-openapi/{openapi3filter,routers/gorillamux}@v0.153.0 > /dev/null 2>&1
got=$(go run .)
echo "kin-openapi v0.153.0, OpenAPI 3.1, a string by reference:"
echo "$got"
[ "$got" = '$ref: query ab accepted; body ab accepted; body abcd accepted
$ref, description: d: query ab accepted; body ab accepted; body abcd accepted
$ref, maxLength: 3: query ab empty value is not allowed; body ab accepted; body abcd rejected
$ref, maxLength: 3, type: string: query ab accepted; body ab accepted; body abcd rejected' ]
