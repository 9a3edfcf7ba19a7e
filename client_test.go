package trusthub_test

// The contract tests validate the generated client, the facade and the fake server against
// api/openapi.yaml.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/api"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/internal/properties"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// operations calls every operation of the document, by the facade and by the generated client.
var operations = map[string]struct {
	facade    func(context.Context, *trusthub.Client, string) error
	generated func(context.Context, *trusthub.Client, string) (status int, err error)
}{
	"FetchCustomerProfile": {
		func(ctx context.Context, c *trusthub.Client, sid string) error {
			_, err := c.FetchCustomerProfile(ctx, sid)
			return err
		},
		func(ctx context.Context, c *trusthub.Client, sid string) (int, error) {
			answer, err := c.Generated().FetchCustomerProfileWithResponse(ctx, sid)
			if err != nil {
				return 0, err
			}
			return answer.StatusCode(), nil
		},
	},
}

// enums lists the constants of every enumeration of the document.
var enums = map[string][]interface{ Valid() bool }{
	"CustomerProfileStatus": {
		trusthub.StatusDraft, trusthub.StatusPendingReview, trusthub.StatusInReview,
		trusthub.StatusTwilioRejected, trusthub.StatusTwilioApproved,
	},
}

func TestDocumentIsValid(t *testing.T) {
	doc := loadSpec(t)
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	content := profileContent(doc)
	if err := content.Schema.Value.VisitJSON(content.Example, openapi3.MultiErrors()); err != nil {
		t.Errorf("the example does not fit its own schema: %v", err)
	}
}

func TestEveryOperationAndEnumIsCovered(t *testing.T) {
	doc := loadSpec(t)
	var documentedOperations, documentedEnums []string
	for _, path := range doc.Paths.Map() {
		for _, operation := range path.Operations() {
			documentedOperations = append(documentedOperations, operation.OperationID)
		}
	}
	for name, schema := range doc.Components.Schemas {
		if len(schema.Value.Enum) > 0 {
			documentedEnums = append(documentedEnums, name)
		}
	}
	compareNames(t, "operation", documentedOperations, slices.Collect(maps.Keys(operations)))
	compareNames(t, "enumeration", documentedEnums, slices.Collect(maps.Keys(enums)))
}

func TestEnumsHaveConstants(t *testing.T) {
	doc := loadSpec(t)
	for name, constants := range enums {
		var documented, defined []string
		for _, value := range doc.Components.Schemas[name].Value.Enum {
			documented = append(documented, value.(string))
		}
		for _, constant := range constants {
			defined = append(defined, fmt.Sprint(constant))
			if !constant.Valid() {
				t.Errorf("%s: %q is not Valid", name, constant)
			}
		}
		compareNames(t, name+" value", documented, defined)
	}
}

// models has the generated type of every object schema.
var models = map[string]any{
	"CustomerProfile":      gen.CustomerProfile{},
	"CustomerProfileError": gen.CustomerProfileError{},
	"Error":                gen.Error{},
	"Problem":              gen.Problem{},
}

// Every property of every schema has a field. The command, the fake and the watch read the
// properties from the fields.
func TestEveryPropertyHasAField(t *testing.T) {
	var schemas []string
	for name, schema := range loadSpec(t).Components.Schemas {
		if !schema.Value.Type.Is("object") {
			continue
		}
		schemas = append(schemas, name)
		if model, ok := models[name]; ok {
			fields := slices.Sorted(maps.Keys(maps.Collect(properties.Of(model))))
			if documented := slices.Sorted(maps.Keys(schema.Value.Properties)); !slices.Equal(fields, documented) {
				t.Errorf("%s: the properties of api/openapi.yaml are %q, the fields of gen/ %q: run make generate", name, documented, fields)
			}
		}
	}
	compareNames(t, "schema", schemas, slices.Collect(maps.Keys(models)))
}

// A decoded profile or error has exactly the properties that the API sent.
func TestEveryPropertyIsDecoded(t *testing.T) {
	client := trusthubtest.NewServer(t).Client()
	var response trusthub.Response
	profile, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
	if err != nil {
		t.Fatal(err)
	}
	sent := unmarshal(t, response.Body)
	// The model omits null properties.
	maps.DeleteFunc(sent, func(_ string, value any) bool { return value == nil })
	if got := viaJSON(t, profile); !reflect.DeepEqual(got, any(sent)) {
		t.Errorf("decoded\n%v, sent\n%v", got, sent)
	}

	_, err = client.FetchCustomerProfile(t.Context(), apitest.UnknownSID)
	var apiErr *trusthub.Error
	if !errors.As(err, &apiErr) {
		t.Fatalf("got %v", err)
	}
	got := viaJSON(t, gen.Error{Code: apiErr.Code, Message: apiErr.Message, MoreInfo: apiErr.MoreInfo, Status: apiErr.StatusCode})
	if sent := unmarshal(t, apiErr.Body); !reflect.DeepEqual(got, any(sent)) {
		t.Errorf("decoded\n%v, sent\n%v", got, sent)
	}
}

// The example of the fake is the example of the document.
func TestExampleOfTheFake(t *testing.T) {
	text, err := json.MarshalIndent(documentedExample(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const file = "trusthubtest/example.json"
	if want := string(text) + "\n"; accepted(t, file, want) != want {
		t.Errorf("%s is not the example of api/openapi.yaml. Update it with: go test -run TestExampleOfTheFake -update .", file)
	}
}

// A property that is not in the documented example is null.
func TestFakeServesTheDocumentedExample(t *testing.T) {
	var response trusthub.Response
	if _, err := trusthubtest.NewServer(t).Client().FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); err != nil {
		t.Fatal(err)
	}
	documented := documentedExample(t)
	for name, value := range unmarshal(t, response.Body) {
		if !reflect.DeepEqual(value, documented[name]) {
			t.Errorf("%s: served %v, documented %v", name, value, documented[name])
		}
	}
}

// Responses of the fake keep the contract, for the facade and for the generated client.
func TestTrafficKeepsTheContract(t *testing.T) {
	server := trusthubtest.NewServer(t)
	server.Put(trusthub.CustomerProfile{SID: apitest.EmptySID})
	for operation := range operations {
		checkTraffic(t, server, operation, sid, trusthubtest.Password, 200)
		checkTraffic(t, server, operation, sid, "wrong", 401)
	}
	checkTraffic(t, server, "FetchCustomerProfile", apitest.EmptySID, trusthubtest.Password, 200)
	checkTraffic(t, server, "FetchCustomerProfile", apitest.UnknownSID, trusthubtest.Password, 404)
}

func checkTraffic(t *testing.T, server *trusthubtest.Server, operation, sid, password string, want int) {
	t.Helper()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, password),
		trusthub.WithBaseURL(server.URL), trusthub.WithMiddleware(contract.NewTransport))
	if err != nil {
		t.Fatal(err)
	}
	var apiErr *trusthub.Error
	err = operations[operation].facade(t.Context(), client, sid)
	if errors.As(err, &apiErr) && apiErr.StatusCode != want || (err == nil) != (want == 200) || err != nil && apiErr == nil {
		t.Errorf("%s of %s: got %v, want status %d", operation, sid, err, want)
	}
	if status, err := operations[operation].generated(t.Context(), client, sid); err != nil || status != want {
		t.Errorf("generated %s of %s: got %d, %v, want status %d", operation, sid, status, err, want)
	}
}

// The middleware reports each violation of the contract, for the facade and for the generated
// client. The client alone accepts some of them.
func TestViolationsAreReported(t *testing.T) {
	example := `{"sid":"` + sid + `","status":"draft","errors":[{"code":1}],"links":{"a":"https://a"}}`
	good := http.Header{"Content-Type": {apitest.JSON}, "Access-Control-Allow-Credentials": {"true"}}
	fetch := operations["FetchCustomerProfile"]
	for name, test := range map[string]struct {
		status int
		header http.Header
		body   string
	}{
		"":                    {200, good, example},
		"pattern":             {200, good, strings.Replace(example, "BU", "XX", 1)},
		"length":              {200, good, strings.Replace(example, "BUa", "BU", 1)},
		"enum":                {200, good, strings.Replace(example, "draft", "on-hold", 1)},
		"type":                {200, good, strings.Replace(example, `"code":1`, `"code":"1"`, 1)},
		"null status":         {200, good, strings.Replace(example, `"draft"`, `null`, 1)},
		"date":                {200, good, `{"date_created":"yesterday"}`},
		"header type":         {200, http.Header{"Content-Type": {apitest.JSON}, "Access-Control-Allow-Credentials": {"maybe"}}, example},
		"content type":        {200, http.Header{"Content-Type": {"text/html"}}, example},
		"undocumented status": {302, good, example},
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.Over(t, apitest.Canned(test.status, test.header, test.body), trusthub.WithMiddleware(contract.NewTransport))
			_, generatedErr := fetch.generated(t.Context(), client, sid)
			for _, err := range []error{fetch.facade(t.Context(), client, sid), generatedErr} {
				var violation *contract.Violation
				if errors.As(err, &violation) != (name != "") || name == "" && err != nil {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

// Client and contract accept the same bodies of profiles, with some exceptions. Only the contract
// rejects a new status, a malformed SID or URI, an error item of another shape, and an undocumented
// null.
func TestContractAndClientAgree(t *testing.T) {
	date := func(value string) string { return `{"date_created":"` + value + `"}` }
	for body, good := range map[string]bool{
		`{"errors":[{"code":18601.0}]}`:                                  true,
		`{"errors":[{"code":1e2,"a":9007199254740993}]}`:                 true,
		`{"errors":[{"code":1e30}]}`:                                     true,
		`{"errors":[],"links":{}}`:                                       true,
		`{"errors":null,"links":null,"valid_until":null}`:                true,
		`{"sid":"","account_sid":"","policy_sid":"","friendly_name":""}`: true,
		`{"email":"","status_callback":"","url":""}`:                     true,
		`{"sid":null,"email":null,"url":null}`:                           true,
		`{"email":"\ud83d\ude00 \u0000"}`:                                true,
		date("2019-07-30T22:29:24Z"):                                     true,
		date("2019-07-30T22:29:24.123456789+05:30"):                      true,
		date("2019-07-30T2:29:24Z"):                                      false,
		date("2019-07-30T22:29:24,5Z"):                                   false,
		date("2019-07-30T22:29:24+24:00"):                                false,
		date("2019-07-30T22:29:24+00:60"):                                false,
		date("2016-12-31T23:59:60Z"):                                     false,
		date("2019-07-30t22:29:24z"):                                     false,
		date("2019-07-30 22:29:24Z"):                                     false,
		date("2019-07-30"):                                               false,
		date("2019-02-30T00:00:00Z"):                                     false,
		date(""):                                                         false,
		`{"email":"\ud83d"}`:                                             false,
		`{"email":"\ude00\ud83d"}`:                                       false,
		"{\"email\":\"\xff\"}":                                           false,
		`{"\ud83d":1,"email":"e"}`:                                       false,
		`{"email":"e","a":1,"a":2}`:                                      false,
		`{"email":"e"}x`:                                                 false,
		`{"email":1}`:                                                    false,
		`{"links":""}`:                                                   false,
		`{"errors":""}`:                                                  false,
		`{"errors":{}}`:                                                  false,
		`{}`:                                                             false,
		`{"code":20500}`:                                                 false,
		`null`:                                                           false,
	} {
		t.Run(body, func(t *testing.T) {
			transport := apitest.CannedJSON(body)
			_, err := apitest.Over(t, transport).FetchCustomerProfile(t.Context(), sid)
			decodeErr, failed := errors.AsType[*trusthub.DecodeError](err)
			if failed == good || failed && string(decodeErr.Body) != body {
				t.Errorf("client: %v", err)
			}
			_, err = apitest.Over(t, transport, trusthub.WithMiddleware(contract.NewTransport)).FetchCustomerProfile(t.Context(), sid)
			if _, broken := errors.AsType[*contract.Violation](err); broken == good {
				t.Errorf("contract: %v", err)
			}
		})
	}
}

func loadSpec(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// profileContent returns the documented body of a profile.
func profileContent(doc *openapi3.T) *openapi3.MediaType {
	return doc.Paths.Find("/v1/CustomerProfiles/{Sid}").Get.Responses.Status(200).Value.Content.Get(apitest.JSON)
}

func documentedExample(t *testing.T) map[string]any {
	t.Helper()
	return profileContent(loadSpec(t)).Example.(map[string]any)
}

// compareNames fails for documented names without coverage, and for covered names that are not
// documented.
func compareNames(t *testing.T, kind string, documented, covered []string) {
	t.Helper()
	for _, name := range documented {
		if !slices.Contains(covered, name) {
			t.Errorf("%s %s of api/openapi.yaml has no coverage: add it to the tables in client_test.go", kind, name)
		}
	}
	for _, name := range covered {
		if !slices.Contains(documented, name) {
			t.Errorf("%s %s is covered, but no longer in api/openapi.yaml: remove it from the tables in client_test.go", kind, name)
		}
	}
}

func unmarshal(t *testing.T, body []byte) (object map[string]any) {
	t.Helper()
	if err := json.Unmarshal(body, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// viaJSON returns v as a JSON decoder returns it.
func viaJSON(t *testing.T, v any) (out any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
