package contract

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed07fc1495/trusthub/internal/apierror"
	"github.com/seed07fc1495/trusthub/internal/mediatype"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

// validateRequest returns what is wrong with the request.
func (e *exchange) validateRequest() []Finding {
	switch {
	case e.path == "":
		return []Finding{{Reason: "undocumented path"}}
	case e.operation == nil:
		return []Finding{{Reason: "undocumented method for " + e.path}}
	}
	return findings(openapi3filter.ValidateRequest(e.request.Context(), e.input(&openapi3filter.Options{
		MultiError:          true,
		SkipSettingDefaults: true,
		AuthenticationFunc:  checkAuthorization,
	})))
}

// checkAuthorization requires credentials of any scheme: a bearer token is as good as the
// documented HTTP Basic.
func checkAuthorization(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	if input.RequestValidationInput.Request.Header.Get("Authorization") == "" {
		return errors.New("no Authorization header")
	}
	return nil
}

// validateResponse returns what is wrong with the response.
func (e *exchange) validateResponse(status int, header http.Header, body []byte) []Finding {
	if e.operation == nil {
		return nil // the request is the violation, and has no documented responses
	}
	mediaType := mediatype.Of(header.Get("Content-Type"))
	retried := status/100 == 5 || status == http.StatusTooManyRequests
	if status/100 != 2 && (!mediatype.IsJSON(mediaType) || !jsontext.Value(body).IsValid()) &&
		(retried || header.Get(apierror.RequestID) == "") {
		return nil // from a gateway
	}
	response := e.operation.Responses.Status(status)
	if response == nil {
		return []Finding{{Reason: "undocumented status"}}
	}
	found := e.validateHeaders(status, header, response.Value)
	content := response.Value.Content.Get(mediaType)
	switch {
	case len(response.Value.Content) == 0:
		return found
	case content == nil:
		return append(found, Finding{Reason: "undocumented content type"})
	case content.Schema == nil:
		return found
	}
	return append(found, e.validateBody(status, content.Schema.Value, body)...)
}

// validateHeaders validates one header at a time, since kin-openapi stops at the first wrong one.
func (e *exchange) validateHeaders(status int, header http.Header, response *openapi3.Response) (found []Finding) {
	for name, documented := range response.Headers {
		one := *e.operation
		one.Responses = openapi3.NewResponses(openapi3.WithStatus(status, &openapi3.ResponseRef{
			Value: &openapi3.Response{Headers: openapi3.Headers{name: documented}},
		}))
		options := &openapi3filter.Options{
			ExcludeResponseBody: true, MultiError: true,
		}
		input := e.input(options)
		input.Route.Operation = &one
		err := openapi3filter.ValidateResponse(e.request.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: status, Header: header, Options: options,
		})
		if err != nil {
			found = append(found, Finding{Reason: "header " + name + ": " + headerReason(err, documented.Value.Schema)})
		}
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Reason, b.Reason) })
	return found
}

func headerReason(err error, schema *openapi3.SchemaRef) string {
	var schemaErr *openapi3.SchemaError
	switch {
	case errors.As(err, &schemaErr):
		return schemaErr.Reason
	case schema != nil && schema.Value.Type != nil: // kin-openapi could not decode it
		return "value must be of type " + strings.Join(*schema.Value.Type, " or ")
	}
	return "not as documented"
}

// validateBody decodes strictly. kin-openapi accepts duplicate names, invalid UTF-8 and data after
// the document.
func (e *exchange) validateBody(status int, schema *openapi3.Schema, body []byte) []Finding {
	var value any
	var syntactic *jsontext.SyntacticError
	switch err := json.Unmarshal(body, &value); {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntactic):
		return []Finding{{string(syntactic.JSONPointer), "duplicate name"}}
	case errors.As(err, &syntactic):
		return []Finding{{string(syntactic.JSONPointer), "malformed JSON"}}
	case err != nil:
		return []Finding{{Reason: "unreadable JSON"}}
	}
	object, isObject := value.(map[string]any)
	if status/100 == 2 && isObject && !properties.HasAny(object, maps.Keys(schema.Properties)) {
		return []Finding{{Reason: "none of the documented properties"}}
	}
	options := append(e.doc.spec.GetSchemaValidationOptions(), openapi3.MultiErrors(), openapi3.VisitAsResponse())
	return findings(schema.VisitJSON(value, options...))
}

func (e *exchange) input(options *openapi3filter.Options) *openapi3filter.RequestValidationInput {
	options.SchemaValidationOptions = e.doc.spec.GetSchemaValidationOptions()
	return &openapi3filter.RequestValidationInput{
		Request:    e.request,
		PathParams: e.params,
		Route:      &routers.Route{Spec: e.doc.spec, Path: e.path, PathItem: e.doc.spec.Paths.Value(e.path), Method: e.request.Method, Operation: e.operation},
		Options:    options,
	}
}

// findings flattens the errors of kin-openapi, without the parts that quote values.
func findings(err error) []Finding {
	switch err := err.(type) { //nolint:errorlint // a tree of errors, taken apart node by node
	case nil:
		return nil
	case openapi3.MultiError:
		var all []Finding
		for _, one := range err {
			all = append(all, findings(one)...)
		}
		return all
	case *openapi3.SchemaError:
		if isEmptyForNull(err) {
			return nil
		}
		return []Finding{{pointer(err.JSONPointer()), err.Reason}}
	case *openapi3filter.SecurityRequirementsError:
		return []Finding{{Reason: "no Authorization header"}}
	case *openapi3filter.RequestError:
		place := "body"
		if err.Parameter != nil {
			place = err.Parameter.In + " parameter " + err.Parameter.Name
		}
		inner := findings(err.Err)
		for i := range inner {
			inner[i].Reason = place + ": " + inner[i].Reason
		}
		if len(inner) > 0 {
			return inner
		}
		return []Finding{{Reason: place + ": " + err.Reason}}
	default:
		return []Finding{{Reason: "does not keep the contract"}}
	}
}

// isEmptyForNull reports whether the finding is about an empty string in place of null. The
// document permits that in words, not in its schemas, which describe strings with a content.
func isEmptyForNull(finding *openapi3.SchemaError) bool {
	schema := finding.Schema
	return finding.Value == "" && schema.Nullable && schema.Type.Is("string") && schema.Format != "date-time"
}

func pointer(tokens []string) string {
	var p jsontext.Pointer
	for _, token := range tokens {
		p = p.AppendToken(token)
	}
	return string(p)
}
