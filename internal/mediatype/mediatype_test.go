package mediatype_test

import (
	"testing"

	"github.com/seed07fc1495/trusthub/internal/mediatype"
)

func TestMediaTypeOf(t *testing.T) {
	for contentType, want := range map[string]struct {
		mediaType string
		json      bool
	}{
		"application/json":                {"application/json", true},
		"APPLICATION/JSON; charset=utf-8": {"application/json", true},
		"application/json; charset":       {"application/json", true},
		"application/x+json":              {"application/x+json", true},
		"application/problem+JSON;a=b":    {"application/problem+json", true},
		"text/html":                       {"text/html", false},
		"text/not-json":                   {"text/not-json", false},
		"application/jsonp":               {"application/jsonp", false},
		"application/":                    {"", false},
		"":                                {"", false},
	} {
		mediaType := mediatype.Of(contentType)
		if mediaType != want.mediaType || mediatype.IsJSON(mediaType) != want.json {
			t.Errorf("%q: got %q, JSON %v", contentType, mediaType, mediatype.IsJSON(mediaType))
		}
	}
}
