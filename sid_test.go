package trusthub_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/gen"
)

var malformedSIDs = []string{
	"", ".", "..", "../x", "/", sid[:33], sid + "a", sid + "\t", " " + sid, sid + "/", sid + "/Evaluations", sid + "?x=1",
	"AC" + sid[2:], "bu" + sid[2:], "BU" + strings.Repeat("g", 32), "BU" + strings.Repeat("é", 16), sid[:33] + "\x00",
	sid[:31] + "%61", "..%2f" + sid, strings.Repeat("a", 1<<16),
}

// A malformed SID never leaves the program, neither through the facade nor through the generated client.
func TestMalformedSIDsAreNotSent(t *testing.T) {
	client := newClient(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("sent to %q", r.URL)
	}))
	for _, sid := range malformedSIDs {
		var response trusthub.Response
		if profile, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); profile != nil || !errors.Is(err, trusthub.ErrInvalidSID) {
			t.Errorf("%.40q: got %v, %v", sid, profile, err)
		} else if len(err.Error()) > 200 {
			t.Errorf("%.40q: the error has %d bytes", sid, len(err.Error()))
		}
		if response.Attempts != 0 || response.StatusCode != 0 {
			t.Errorf("%.40q: response %v", sid, response)
		}
		if answer, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid); answer != nil || !errors.Is(err, trusthub.ErrInvalidSID) {
			t.Errorf("%.40q, generated client: got %v, %v", sid, answer, err)
		}
	}
}

// Credentials go to the configured host alone, even when a request editor aims elsewhere.
func TestRequestEditorsCannotRedirect(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("reached another host") })
	client := newClient(t, serve(t, answer(200, jsonType, acme)))
	for name, edit := range map[string]gen.RequestEditorFn{
		"host": func(_ context.Context, r *http.Request) error {
			r.URL.Host = strings.TrimPrefix(elsewhere, "http://")
			return nil
		},
		"scheme": func(_ context.Context, r *http.Request) error { r.URL.Scheme = "https"; return nil },
		"opaque": func(_ context.Context, r *http.Request) error { r.URL.Opaque = "/v1/Accounts"; return nil },
		"path":   func(_ context.Context, r *http.Request) error { r.URL.Path = "/v1/Accounts"; return nil },
	} {
		if _, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid, edit); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
