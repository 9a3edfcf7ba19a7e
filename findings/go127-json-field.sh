#!/usr/bin/env bash
# encoding/json of Go 1.27.4: the text of a type error has keys of the JSON, and Field has indices.
#
# Guess: the new implementation behind encoding/json keeps UnmarshalTypeError as it was: Field names
# fields of Go structs, "errors.code".
# Found: Field is the path in the JSON: "errors.1.code" for an item of a list, "links.<key>" for a
# value of a map. Code that compares Field finds nothing any more, and logs of decoding errors now
# hold keys that the server chose, which may be personal data. GOEXPERIMENT=nojsonv2 brings the old
# path back.
# Source: UnmarshalTypeError in encoding/json/v2_decode.go of that version.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"encoding/json"
	"errors"
	"fmt"
)

func main() {
	var profile struct {
		Errors []struct {
			Code int `json:"code"`
		} `json:"errors"`
		Links map[string]int `json:"links"`
	}
	for _, text := range []string{`{"errors":[{"code":1},{"code":"x"}]}`, `{"links":{"a.b":"x"}}`} {
		err := json.Unmarshal([]byte(text), &profile)
		var wrongType *json.UnmarshalTypeError
		if !errors.As(err, &wrongType) {
			panic(err)
		}
		fmt.Print(wrongType.Field, " ")
	}
}
GO
go mod init finding > /dev/null 2>&1
old=$(GOTOOLCHAIN=go1.26.8 go run .)
new=$(GOTOOLCHAIN=go1.27.4 go run .)
echo "go1.26.8: $old"
echo "go1.27.4: $new"
[ "$old" = "errors.code links " ] && [ "$new" = "errors.1.code links.a.b " ]
