package trusthub

import (
	"errors"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

// decodeJSON reads the JSON object of a 200 answer into value. What it cannot read it names by a JSON pointer.
func decodeJSON(answer *http.Response, value any) (pointer string, err error) {
	if answer.StatusCode != http.StatusOK {
		return "", problem("unexpected status")
	}
	if !isJSON(answer.Header.Get("Content-Type")) {
		return "", problem("unexpected content type")
	}
	body := contentOf(answer).body
	if jsontext.Value(body).Kind() == jsontext.KindNull { // which would decode as an empty profile
		return "", problem("JSON null in place of an object")
	}
	err = json.Unmarshal(body, value, decodeOptions)
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return string(syntactic.JSONPointer), err
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return string(semantic.JSONPointer), err
	}
	if err == nil && isForeign(body, value) { // what a gateway says, perhaps
		err = problem("JSON object without any documented key")
	}
	return "", err
}

// isForeign reports whether the object that was decoded into value has none of the documented keys. That it has one without
// a value is enough: Twilio writes null where there is nothing.
func isForeign(body []byte, value any) bool {
	if !reflect.ValueOf(value).Elem().IsZero() { // the usual answer need not be read again
		return false
	}
	var object map[string]jsontext.Value
	_ = json.Unmarshal(body, &object) // which has just succeeded
	for name := range properties.Of(value) {
		if _, ok := object[name]; ok {
			return false
		}
	}
	return true
}

var decodeOptions = json.WithUnmarshalers(json.UnmarshalFromFunc(decodeErrorItem))

// decodeErrorItem takes the place of the generated UnmarshalJSON, which decodes an item three times over, and hides from the
// decoder which member of it was wrong.
func decodeErrorItem(dec *jsontext.Decoder, item *gen.CustomerProfileError) error {
	var plain struct {
		Code  int            `json:"code"`
		Other map[string]any `json:",embed"`
	}
	err := json.UnmarshalDecode(dec, &plain)
	*item = gen.CustomerProfileError{Code: plain.Code, AdditionalProperties: plain.Other}
	return err
}

// isJSON reports whether a Content-Type is application/json or built on JSON (RFC 6839), without regard to case and
// parameters.
func isJSON(contentType string) bool {
	if contentType == "application/json" { // the usual answer need not be parsed
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}
