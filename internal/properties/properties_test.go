package properties_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

func TestPropertiesOf(t *testing.T) {
	var names []string
	for name := range properties.Of(gen.Error{}) {
		names = append(names, name)
	}
	if want := []string{"code", "message", "more_info", "status"}; !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	for _, model := range []any{gen.CustomerProfileError{Code: 5}, &gen.CustomerProfileError{Code: 5, AdditionalProperties: map[string]any{"a": 1}}} {
		values := maps.Collect(properties.Of(model))
		if code := values["code"]; len(values) != 1 || code.Kind() != reflect.Int || code.Int() != 5 {
			t.Errorf("got %v", values)
		}
	}
	for name := range properties.Of(gen.Error{}) {
		if name != "code" {
			t.Errorf("%s after leaving", name)
		}
		break
	}
}

func TestHasAny(t *testing.T) {
	for name, want := range map[string]bool{"code": true, "status": true, "Code": false, "sid": false} {
		if properties.HasAny(map[string]any{"a": 1, name: nil}, properties.Names(gen.Error{})) != want {
			t.Errorf("%s: got %v", name, !want)
		}
	}
	if properties.HasAny(map[string]any{}, properties.Names(gen.Error{})) {
		t.Error("an empty object has one")
	}
}

func TestMarshal(t *testing.T) {
	got, err := properties.Marshal(&gen.Error{Message: "m", Status: 404})
	if want := `{"code":null,"message":"m","more_info":null,"status":404}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// An error item without a code is encoded without one.
func TestMarshalItems(t *testing.T) {
	profile := gen.CustomerProfile{Errors: []gen.CustomerProfileError{
		{Code: 18601, AdditionalProperties: map[string]any{"a": 1}}, {AdditionalProperties: map[string]any{"message": "m"}}, {},
	}}
	got, err := properties.Marshal(profile)
	if want := `"errors":[{"a":1,"code":18601},{"message":"m"},{}]`; err != nil || !strings.Contains(string(got), want) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestUndocumented(t *testing.T) {
	object := map[string]int{"sid": 1, "tier": 2, "status": 3, "risk": 4}
	got := properties.Undocumented(object, properties.Names(gen.CustomerProfile{}))
	if !slices.Equal(got, []string{"risk", "tier"}) || len(object) != 4 {
		t.Errorf("got %q of %v", got, object)
	}
}

func TestLabel(t *testing.T) {
	for name, want := range map[string]string{
		"sid": "SID", "account_sid": "Account SID", "friendly_name": "Friendly name", "url": "URL", "email": "Email", "": "",
	} {
		if label := properties.Label(name); label != want {
			t.Errorf("%q: got %q", name, label)
		}
	}
}
