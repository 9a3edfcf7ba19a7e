// Package decode reads JSON into generated models: strictly where an answer might not be what was
// asked for, leniently where one odd value must not cost the whole of it.
package decode

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/mediatype"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

// Problem is a cause that this package found itself. It quotes nothing of the document.
type Problem string

func (p Problem) Error() string { return string(p) }

// Object reads a JSON object into value, a pointer to a generated model. What it cannot read it
// names by a JSON pointer.
func Object(contentType string, body []byte, value any) (pointer string, err error) {
	if !mediatype.IsJSON(mediatype.Of(contentType)) {
		return "", Problem("unexpected content type")
	}
	if jsontext.Value(body).Kind() == jsontext.KindNull { // which would decode as an empty profile
		return "", Problem("JSON null in place of an object")
	}
	err = json.Unmarshal(body, value, options)
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return string(syntactic.JSONPointer), err
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return string(semantic.JSONPointer), err
	}
	if err == nil && isForeign(body, value) { // what a gateway says, perhaps
		err = Problem("JSON object without any documented key")
	}
	return "", err
}

// Model reads the JSON that this module has written of a generated model.
func Model(text []byte, value any) error { return json.Unmarshal(text, value, options) }

// isForeign reports whether the object that was decoded into value has none of the documented keys.
// That it has one without a value is enough: Twilio writes null where there is nothing.
func isForeign(body []byte, value any) bool {
	if !reflect.ValueOf(value).Elem().IsZero() { // the usual answer need not be read again
		return false
	}
	var object map[string]jsontext.Value
	_ = json.Unmarshal(body, &object) // which has just succeeded
	return !properties.HasAny(object, properties.Names(value))
}

// IsContent reports whether a cause is about what a document holds, and not about how it arrived.
func IsContent(err error) bool {
	_, ours := errors.AsType[Problem](err)
	_, semantic := errors.AsType[*json.SemanticError](err)
	_, syntactic := errors.AsType[*jsontext.SyntacticError](err)
	return ours || semantic || syntactic
}

// Describe says what is wrong with the content of a document, without the decoder's words, which
// quote what it read. It is "" for what [IsContent] denies.
func Describe(err error) string {
	if ours, ok := errors.AsType[Problem](err); ok {
		return string(ours)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return fmt.Sprintf("JSON %v does not fit %v", semantic.JSONKind, semantic.GoType)
	}
	_, syntactic := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case !syntactic:
		return ""
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "duplicate name"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "truncated JSON"
	}
	return "malformed JSON"
}

var options = json.WithUnmarshalers(json.JoinUnmarshalers(
	json.UnmarshalFromFunc(decodeErrorItem),
	json.UnmarshalFromFunc(decodeUntyped),
	json.UnmarshalFunc(decodeInteger),
))

// decodeErrorItem takes the place of the generated UnmarshalJSON, to which an item of another shape
// than the documented is an error that costs the whole profile. What is no object counts as the
// code of one.
func decodeErrorItem(dec *jsontext.Decoder, item *gen.CustomerProfileError) error {
	*item = gen.CustomerProfileError{}
	if dec.PeekKind() != jsontext.KindBeginObject {
		return decodeCode(dec, item)
	}
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != jsontext.KindEndObject {
		var name string
		if err = json.UnmarshalDecode(dec, &name); err != nil {
			return err
		}
		if name == "code" {
			err = decodeCode(dec, item)
			continue
		}
		var value any
		err = json.UnmarshalDecode(dec, &value)
		item.Set(name, value)
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return err
}

func decodeCode(dec *jsontext.Decoder, item *gen.CustomerProfileError) error {
	text, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if code, ok := parseCode(text); ok {
		item.Code = code
		return nil
	}
	var received any
	err = json.Unmarshal(text, &received, dec.Options())
	item.Set("code_as_received", received)
	return err
}

// parseCode reads an integer, or a string of digits.
func parseCode(text jsontext.Value) (int, bool) {
	digits := string(text)
	if text.Kind() == jsontext.KindString {
		digits = strings.Trim(digits, `"`)
		if strings.Trim(digits, "0123456789") != "" {
			return 0, false
		}
	}
	return parseInteger(digits)
}

// decodeInteger takes 18601.0 for an integer, as JSON Schema does.
func decodeInteger(text []byte, integer *int) (err error) {
	var ok bool
	if *integer, ok = parseInteger(string(text)); !ok {
		err = json.Unmarshal(text, integer) // null, or an error that says what it is
	}
	return err
}

func parseInteger(text string) (int, bool) {
	if integer, err := strconv.Atoi(text); err == nil {
		return integer, true
	}
	number, err := strconv.ParseFloat(text, 64)
	return int(number), err == nil && math.Abs(number) < exactIntegers && float64(int(number)) == number
}

// decodeUntyped keeps the numbers that a float64 could change. It decides by the kind of each
// value: an error that asks for the usual way is not the same in all variants of the library.
func decodeUntyped(dec *jsontext.Decoder, value *any) (err error) {
	switch dec.PeekKind() {
	case jsontext.KindNumber:
		*value, err = decodeNumber(dec)
	case jsontext.KindBeginObject:
		var object map[string]any
		err = json.UnmarshalDecode(dec, &object)
		*value = object
	case jsontext.KindBeginArray:
		var array []any
		err = json.UnmarshalDecode(dec, &array)
		*value = array
	case jsontext.KindString:
		var text string
		err = json.UnmarshalDecode(dec, &text)
		*value = text
	default: // null, a boolean, or what is malformed
		var token jsontext.Token
		if token, err = dec.ReadToken(); err != nil {
			return err
		}
		if *value = nil; token.Kind() != jsontext.KindNull {
			*value = token.Bool()
		}
	}
	return err
}

func decodeNumber(dec *jsontext.Decoder) (any, error) {
	text, err := dec.ReadValue()
	if err != nil {
		return nil, err
	}
	number, _ := strconv.ParseFloat(string(text), 64) // infinite when it is out of range
	if math.Abs(number) >= exactIntegers {
		return stdjson.Number(text), nil
	}
	return number, nil
}

const exactIntegers = 1 << 53 // a float64 has all below
