package api_test

import (
	"strconv"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/seed07fc1495/trusthub/api"
)

// The document is valid for strict linters and mocks: no key beside a $ref, an example for every
// body, and valid examples of headers.
func TestOtherToolsReadTheDocument(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.ProhibitExtensionsWithRef(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
	for _, path := range doc.Paths.Map() {
		for _, operation := range path.Operations() {
			for status, response := range operation.Responses.Map() {
				for contentType, content := range response.Value.Content {
					if content.Example == nil {
						t.Errorf("%s with status %s has no example; mocks use random values", contentType, status)
					}
				}
				for name, header := range response.Value.Headers {
					if err := header.Value.Schema.Value.VisitJSON(header.Value.Example); err != nil {
						t.Errorf("the example of header %s with status %s: %v", name, status, err)
					}
				}
			}
		}
	}
}

// Common failures are documented by number, because some tools ignore ranges of statuses.
func TestUsualFailuresHaveNumbers(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range doc.Paths.Map() {
		for id, operation := range path.Operations() {
			for _, status := range []int{400, 401, 403, 404, 429, 500, 502, 503, 504} {
				if operation.Responses.Value(strconv.Itoa(status)) == nil {
					t.Errorf("%s documents no %d", id, status)
				}
			}
		}
	}
}
