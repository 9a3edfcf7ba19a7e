package sid_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/seed07fc1495/trusthub/api"
	"github.com/seed07fc1495/trusthub/internal/sid"
)

const valid = "BU0123456789abcdefABCDEF0123456789"

func candidates() []string {
	all := []string{
		valid, "BU" + strings.Repeat("a", 32), "",
		".", "..", "../x", "/", valid[:33], valid + "a", valid + "\t", valid + "\n", " " + valid, valid + "/", valid + "/Evaluations", valid + "?x=1",
		"AC" + valid[2:], "bu" + valid[2:], "BU" + strings.Repeat("g", 32), "BU" + strings.Repeat("é", 16), valid[:33] + "\x00",
		valid[:31] + "%61", "..%2f" + valid, strings.Repeat("a", 1<<16),
	}
	for i := range 256 { // every byte in place of a digit
		all = append(all, valid[:33]+string([]byte{byte(i)}))
	}
	return all
}

// pattern returns the pattern of the OpenAPI document.
func pattern(t testing.TB) *regexp.Regexp {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	parameter := doc.Paths.Find("/v1/CustomerProfiles/{Sid}").Get.Parameters.GetByInAndName("path", "Sid")
	return regexp.MustCompile(parameter.Schema.Value.Pattern)
}

// IsValid accepts the same SIDs as the pattern of the document.
func TestPatternOfTheDocument(t *testing.T) {
	documented, accepted := pattern(t), 0
	for _, candidate := range candidates() {
		got := sid.IsValid(candidate)
		if want := documented.MatchString(candidate); got != want {
			t.Errorf("%.40q: got %v, documented %v", candidate, got, want)
		}
		if got {
			accepted++
		}
	}
	if accepted != 2+22 {
		t.Errorf("%d are valid", accepted)
	}
}

func FuzzSID(f *testing.F) {
	for _, candidate := range candidates() {
		f.Add(candidate)
	}
	documented := pattern(f)
	f.Fuzz(func(t *testing.T, candidate string) {
		if got := sid.IsValid(candidate); got != documented.MatchString(candidate) {
			t.Errorf("%q: got %v", candidate, got)
		}
	})
}
