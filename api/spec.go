// Package api holds the OpenAPI document that the SDK is generated from and its traffic is
// validated against.
package api

import _ "embed"

//go:embed openapi.yaml
var spec string

// Spec returns the OpenAPI 3.0.3 document, in YAML. Each call returns a copy of its own.
func Spec() []byte { return []byte(spec) }
