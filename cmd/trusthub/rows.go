package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/properties"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// row is a property of a profile, or one element of it, as text.
type row struct{ key, value string }

// rows lists the documented properties of a generated model.
func rows(model any) (all []row) {
	for name, value := range properties.Of(model) {
		all = append(all, rowsOf(properties.Label(name), value)...)
	}
	for i, r := range all {
		all[i] = row{text.Clean(r.key), orDash(text.Clean(r.value))}
	}
	return all
}

// rowsOf returns a row for each element of a map or a list: Links becomes Link evaluations, Errors
// becomes Error 1.
func rowsOf(label string, value reflect.Value) (all []row) {
	element := strings.TrimSuffix(label, "s") + " "
	switch value.Kind() {
	case reflect.Map:
		for key, one := range value.Seq2() {
			all = append(all, row{element + key.String(), valueText(one)})
		}
		slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.key, b.key) })
	case reflect.Slice:
		for i := range value.Len() {
			all = append(all, row{fmt.Sprint(element, i+1), valueText(value.Index(i))})
		}
	default:
		all = []row{{label, valueText(value)}}
	}
	return all
}

// valueText returns the JSON of a value, without the quotes of a string; "" for an empty value.
func valueText(value reflect.Value) string {
	if value.IsZero() {
		return ""
	}
	if reason, ok := value.Interface().(trusthub.CustomerProfileError); ok {
		return reasonText(reason)
	}
	written, err := json.Marshal(value.Interface())
	if err != nil {
		return err.Error()
	}
	var unquoted string
	if json.Unmarshal(written, &unquoted) == nil {
		return unquoted
	}
	return string(written)
}

// reasonText returns a code with its meaning, its address and its other members.
func reasonText(reason trusthub.CustomerProfileError) string {
	var parts []string
	if reason.Code != 0 {
		parts = append(parts, fmt.Sprint(reason.Code))
		if meaning := trusthub.ProfileErrorText(reason.Code); meaning != "" {
			parts = append(parts, meaning)
		}
		parts = append(parts, fmt.Sprintf("https://www.twilio.com/docs/api/errors/%d", reason.Code))
	}
	if len(reason.AdditionalProperties) > 0 {
		parts = append(parts, valueText(reflect.ValueOf(reason.AdditionalProperties)))
	}
	return strings.Join(parts, "  ")
}

func orDash(s string) string { return cmp.Or(s, "-") }
