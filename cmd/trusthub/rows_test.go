package main

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

// Properties of every type have rows, so that new properties of the document are shown and watched.
func TestRowsOfAnyProperty(t *testing.T) {
	until := time.Date(2030, 1, 2, 3, 4, 5, 6000000, time.UTC)
	type nested struct {
		A int `json:"a"`
	}
	model := struct {
		SID     string                          `json:"sid,omitempty"`
		Until   *time.Time                      `json:"valid_until"`
		Never   *time.Time                      `json:"never"`
		Status  trusthub.CustomerProfileStatus  `json:"status"`
		Count   int                             `json:"count"`
		Flag    bool                            `json:"flag"`
		Links   map[string]string               `json:"links"`
		None    map[string]string               `json:"nones"`
		Numbers []int                           `json:"numbers"`
		Nested  nested                          `json:"nested_thing"`
		Errors  []trusthub.CustomerProfileError `json:"errors"`
		Other   map[string]any                  `json:"-"`
	}{
		"BU1", &until, nil, "<draft>", 5, true,
		map[string]string{"b": "2", "a": "1"},
		nil,
		[]int{7, 0},
		nested{1},
		[]trusthub.CustomerProfileError{
			{Code: 18601},
			{Code: 1, AdditionalProperties: map[string]any{"message": "m"}},
			{AdditionalProperties: map[string]any{"code_as_received": nil}},
			{},
		},
		map[string]any{"x": 1},
	}
	want := []row{
		{"SID", "BU1"},
		{"Valid until", "2030-01-02T03:04:05.006Z"},
		{"Never", "-"},
		{"Status", "<draft>"},
		{"Count", "5"},
		{"Flag", "true"},
		{"Link a", "1"},
		{"Link b", "2"},
		{"Number 1", "7"},
		{"Number 2", "-"},
		{"Nested thing", `{"a":1}`},
		{"Error 1", "18601  the business name and the website cannot be associated with each other  https://www.twilio.com/docs/api/errors/18601"},
		{"Error 2", `1  https://www.twilio.com/docs/api/errors/1  {"message":"m"}`},
		{"Error 3", `{"code_as_received":null}`},
		{"Error 4", "-"},
	}
	if got := rows(model); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// All properties of the model are shown, in its order.
func TestRowsAreThoseOfTheModel(t *testing.T) {
	var empty trusthub.CustomerProfile
	var want []row
	for name, value := range properties.Of(empty) {
		if kind := value.Kind(); kind != reflect.Map && kind != reflect.Slice { // empty: no rows
			want = append(want, row{properties.Label(name), "-"})
		}
	}
	if got := rows(empty); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestChangesDistinguishElements(t *testing.T) {
	one, two := trusthub.CustomerProfileError{Code: 1}, trusthub.CustomerProfileError{Code: 2}
	before := rows(&trusthub.CustomerProfile{Errors: []trusthub.CustomerProfileError{one}})
	after := rows(&trusthub.CustomerProfile{Email: "e", Errors: []trusthub.CustomerProfileError{one, two}})
	want := []string{"Email: - -> e", "Error 2: 2  https://www.twilio.com/docs/api/errors/2"}
	if got := changes(before, after); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got, want := changes(after, before), []string{"Email: e -> -", "Error 2: 2  https://www.twilio.com/docs/api/errors/2 -> -"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
