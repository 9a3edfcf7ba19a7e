package trusthub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// A value of every property keeps the contract, is decoded, and is encoded again without a change.
// Null is absent. make check also runs this test with every type and format of OpenAPI 3.0.
func TestAValueOfEveryPropertyArrives(t *testing.T) {
	documented := documentedExample(t)
	for name, property := range loadSpec(t).Components.Schemas["CustomerProfile"].Value.Properties {
		t.Run(name, func(t *testing.T) {
			value := documented[name]
			if value == nil {
				value = valueOf(property.Value)
			}
			checkArrives(t, map[string]any{name: value}, map[string]any{name: value})
			if property.Value.Type.Is("integer") {
				checkArrives(t, map[string]any{name: json.RawMessage(fmt.Sprint(value) + ".0")}, map[string]any{name: value})
			}
			if wrong, ok := wrongOfFormats[property.Value.Format]; ok {
				checkBreaks(t, map[string]any{name: wrong})
			}
			if property.Value.Nullable {
				checkArrives(t, map[string]any{name: nil}, map[string]any{})
			}
		})
	}
}

func checkArrives(t *testing.T, sent, want map[string]any) {
	t.Helper()
	profile, body, err := fetchSent(t, sent)
	if err != nil {
		t.Errorf("sent %s: %v. A Go type that does not take null needs x-go-type-skip-optional-pointer: false", body, err)
	} else if got, want := viaJSON(t, profile), viaJSON(t, want); !reflect.DeepEqual(got, want) {
		t.Errorf("sent %s, got %v", body, got)
	}
}

func checkBreaks(t *testing.T, sent map[string]any) {
	t.Helper()
	_, body, err := fetchSent(t, sent)
	if _, ok := errors.AsType[*contract.Violation](err); !ok {
		t.Errorf("sent %s, got %v", body, err)
	}
}

// fetchSent fetches a profile from a response with these properties, and validates it.
func fetchSent(t *testing.T, sent map[string]any) (profile *trusthub.CustomerProfile, body []byte, err error) {
	t.Helper()
	body, err = json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	client := apitest.Over(t, apitest.CannedJSON(string(body)), trusthub.WithMiddleware(contract.NewTransport))
	profile, err = client.FetchCustomerProfile(t.Context(), sid)
	return profile, body, err
}

// A response header of a wrong type is an error for the generated client. The facade ignores it.
func TestAMalformedHeaderLosesNothing(t *testing.T) {
	header := http.Header{"Content-Type": {apitest.JSON}, "Access-Control-Allow-Credentials": {"maybe"}}
	client := apitest.Over(t, apitest.Canned(http.StatusOK, header, `{"sid":"`+sid+`"}`))
	if answer, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid); err == nil || answer != nil {
		t.Errorf("generated: got %v, %v", answer, err)
	}
	if profile, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || profile.SID != sid {
		t.Errorf("got %v, %v", profile, err)
	}
}

// valuesOfFormats has a value of each format of OpenAPI 3.0, and of other formats that generators
// support.
var valuesOfFormats = map[string]any{
	"date": "2026-11-27", "date-time": "2026-11-27T18:37:39Z", "byte": "aGVsbG8=", "binary": "aGVsbG8=", "password": "secret",
	"uuid": "5f0c1a51-46a9-4d0e-9b0c-9f9d5e1f7a35", "email": "a@example.com", "uri": "https://example.com/a", "hostname": "example.com",
	"ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "duration": "PT1H",
	"int32": 1 << 30, "int64": int64(1 << 52), "float": 0.5, "double": 0.1,
}

// wrongOfFormats has a value that is not of the format, for each format that the contract
// validates.
var wrongOfFormats = map[string]any{
	"date": "2026-13-01", "date-time": "2026-11-27", "byte": "!", "uri": "a b", "int32": int64(1) << 40,
}

// valueOf returns a value that fits a schema.
func valueOf(schema *openapi3.Schema) any {
	if len(schema.Enum) > 0 {
		return schema.Enum[0]
	}
	if value, ok := valuesOfFormats[schema.Format]; ok {
		return value
	}
	switch {
	case schema.Type.Is("integer"):
		return 18601
	case schema.Type.Is("number"):
		return 1.5
	case schema.Type.Is("boolean"):
		return true
	case schema.Type.Is("array"):
		return []any{valueOf(schema.Items.Value)}
	case schema.Type.Is("object"):
		object := make(map[string]any)
		for name, property := range schema.Properties {
			object[name] = valueOf(property.Value)
		}
		if further := schema.AdditionalProperties.Schema; further != nil {
			object["further"] = valueOf(further.Value)
		}
		return object
	}
	return "text"
}
