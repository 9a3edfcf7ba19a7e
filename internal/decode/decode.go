// Package decode reads JSON into generated models. It is strict where a body may not be a profile
// at all, and lenient where one odd value must not cost the whole profile.
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

// Problem is an error that this package has found itself. It quotes nothing of the document.
type Problem string

func (p Problem) Error() string { return string(p) }

// Object reads a JSON object into value, a pointer to a generated model. On an error, pointer is
// the JSON pointer of the value that it could not read.
func Object(contentType string, body []byte, value any) (pointer string, err error) {
	if !mediatype.IsJSON(mediatype.Of(contentType)) {
		return "", Problem("unexpected content type")
	}
	if jsontext.Value(body).Kind() == jsontext.KindNull { // it would decode as an empty profile
		return "", Problem("JSON null in place of an object")
	}
	err = json.Unmarshal(body, value, options)
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return string(syntactic.JSONPointer), err
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return string(semantic.JSONPointer), err
	}
	if err == nil && isForeign(body, value) { // perhaps a gateway's object
		err = Problem("JSON object without any documented key")
	}
	return "", err
}

// Model reads JSON that this module has written of a generated model.
func Model(text []byte, value any) error { return json.Unmarshal(text, value, options) }

// isForeign reports whether the object that was decoded into value has none of the documented keys.
// A key with null counts: Twilio writes null for empty properties.
func isForeign(body []byte, value any) bool {
	if !reflect.ValueOf(value).Elem().IsZero() { // a usual response need not be read again
		return false
	}
	var object map[string]jsontext.Value
	_ = json.Unmarshal(body, &object) // cannot fail: it was decoded before
	return !properties.HasAny(object, properties.Names(value))
}

// IsContent reports whether an error is about the content of a document, and not about its
// transfer.
func IsContent(err error) bool {
	_, ours := errors.AsType[Problem](err)
	_, semantic := errors.AsType[*json.SemanticError](err)
	_, syntactic := errors.AsType[*jsontext.SyntacticError](err)
	return ours || semantic || syntactic
}

// Describe describes an error about the content of a document, without the decoder's text, which
// quotes its input. It returns "" if the error is not [IsContent].
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
	json.UnmarshalFunc(decodeInteger[int]),
	json.UnmarshalFunc(decodeInteger[int32]),
	json.UnmarshalFunc(decodeInteger[int64]),
))

// decodeErrorItem replaces the generated UnmarshalJSON, which fails for an item of another shape
// and so would cost the whole profile. An item that is not an object is read as its code.
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
	return parseInteger[int](digits)
}

// decodeInteger accepts 18601.0 as an integer, like JSON Schema.
func decodeInteger[T int | int32 | int64](text []byte, integer *T) error {
	parsed, ok := parseInteger[T](string(text))
	if !ok {
		return json.Unmarshal(text, integer) // null, or an error
	}
	*integer = parsed
	return nil
}

func parseInteger[T int | int32 | int64](text string) (T, bool) {
	if integer, err := strconv.ParseInt(text, 10, 64); err == nil {
		return T(integer), int64(T(integer)) == integer
	}
	number, err := strconv.ParseFloat(text, 64)
	return T(number), err == nil && math.Abs(number) < exactIntegers && float64(T(number)) == number
}

// decodeUntyped keeps numbers that a float64 would change. It decides by the kind of each value,
// since the error that asks for the default differs between variants of the library.
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
	default: // null, a boolean, or malformed
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

const exactIntegers = 1 << 53 // a float64 has all integers below
