#!/usr/bin/env bash
# oapi-codegen v2.8.2: with prefer-skip-optional-pointer, an object with further properties writes
# optional properties that it does not have.
#
# Guess: a field with the tag json:"code,omitempty,omitzero" is left out when it is 0, in every
# object.
# Found: an object with additionalProperties has a MarshalJSON of its own, which does not look at
# the tag. Reading {"message":"m"} and writing it again adds "code":0, which the server takes for a
# value.
# Source: pkg/codegen/templates/additional-properties.tmpl of that version.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
cat > api.yaml <<'YAML'
openapi: 3.0.3
info: {title: finding, version: 1.0.0}
paths: {}
components:
  schemas:
    Open:
      type: object
      properties: {code: {type: integer}, message: {type: string}}
      additionalProperties: true
    Closed:
      type: object
      properties: {code: {type: integer}, message: {type: string}}
YAML
cat > config.yaml <<'YAML'
package: main
output: gen.go
generate: {models: true}
output-options: {skip-prune: true, prefer-skip-optional-pointer: true, prefer-skip-optional-pointer-with-omitzero: true}
YAML
cat > main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
)

func main() {
	var open Open
	var closed Closed
	_ = json.Unmarshal([]byte(`{"message":"m"}`), &open)
	_ = json.Unmarshal([]byte(`{"message":"m"}`), &closed)
	a, _ := json.Marshal(open)
	b, _ := json.Marshal(closed)
	fmt.Printf("open: %s closed: %s\n", a, b)
}
GO
go mod init finding > /dev/null 2>&1
go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config config.yaml api.yaml
go mod tidy > /dev/null 2>&1
got=$(go run .)
echo "oapi-codegen v2.8.2, {\"message\":\"m\"} read and written again: $got"
[ "$got" = 'open: {"code":0,"message":"m"} closed: {"message":"m"}' ]
