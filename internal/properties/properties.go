// Package properties lists the documented properties of generated models, so that no other code has
// to name them. A new property of the OpenAPI document is in the list as soon as gen/ is generated.
package properties

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Of yields the documented properties of a generated model, or of a pointer to one, by their JSON
// names and in the documented order.
func Of(model any) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for field, value := range reflect.Indirect(reflect.ValueOf(model)).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "-" && !yield(name, value) { // "-" holds undocumented properties
				return
			}
		}
	}
}

// Names yields the names of [Of].
func Names(model any) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range Of(model) {
			if !yield(name) {
				return
			}
		}
	}
}

// HasAny reports whether an object has one of the documented properties, also with null: Twilio
// writes null for empty ones. An object without any is not Twilio's.
func HasAny[V any](object map[string]V, documented iter.Seq[string]) bool {
	for name := range documented {
		if _, ok := object[name]; ok {
			return true
		}
	}
	return false
}

// Undocumented returns the names in an object that are not documented, sorted.
func Undocumented[V any](object map[string]V, documented iter.Seq[string]) []string {
	object = maps.Clone(object)
	for name := range documented {
		delete(object, name)
	}
	return slices.Sorted(maps.Keys(object))
}

// Marshal writes every documented property of a generated model, with null for empty ones, as
// Twilio does. The model itself would omit them.
func Marshal(model any) ([]byte, error) {
	var buf bytes.Buffer
	separator := '{'
	for name, value := range Of(model) {
		text := []byte("null")
		if !value.IsZero() {
			var err error
			if text, err = json.Marshal(value.Interface()); err != nil {
				return nil, err
			}
		}
		fmt.Fprintf(&buf, "%c%q:%s", separator, name, text)
		separator = ','
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

// Label is the name of a property for people: account_sid becomes Account SID.
func Label(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words {
		switch {
		case word == "id" || word == "sid" || word == "uri" || word == "url":
			words[i] = strings.ToUpper(word)
		case i == 0 && word != "":
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, " ")
}
