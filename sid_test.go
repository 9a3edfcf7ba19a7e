package trusthub_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

var malformedSIDs = []string{
	"", ".", "..", "../x", "/", sid[:33], sid + "a", sid + "\t", " " + sid, sid + "/", sid + "/Evaluations", sid + "?x=1",
	"AC" + sid[2:], "bu" + sid[2:], "BU" + strings.Repeat("g", 32), "BU" + strings.Repeat("é", 16), sid[:33] + "\x00",
	sid[:31] + "%61", "..%2f" + sid, strings.Repeat("a", 1<<16),
}

// A malformed SID never leaves the program, neither through the facade nor through the generated client.
func TestMalformedSIDsAreNotSent(t *testing.T) {
	client := apitest.At(t, apitest.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
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

// Credentials go to the configured host alone, and only to read, even when a request editor aims elsewhere.
func TestRequestEditorsCannotRedirect(t *testing.T) {
	elsewhere := strings.TrimPrefix(apitest.Serve(t, func(http.ResponseWriter, *http.Request) { t.Error("reached another host") }), "http://")
	client := apitest.At(t, apitest.Serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s %s%s", r.Method, r.Host, r.URL) }))
	for name, edit := range map[string]func(*http.Request){
		"host of the URL": func(r *http.Request) { r.URL.Host = elsewhere },
		"host header":     func(r *http.Request) { r.Host = elsewhere },
		"scheme":          func(r *http.Request) { r.URL.Scheme = "https" },
		"opaque":          func(r *http.Request) { r.URL.Opaque = "/v1/Accounts" },
		"path":            func(r *http.Request) { r.URL.Path = "/v1/Accounts" },
		"method":          func(r *http.Request) { r.Method = http.MethodDelete },
		"method in lower": func(r *http.Request) { r.Method = "get" },
		"method, printed": func(r *http.Request) { r.Method = "\x1b[31m" + strings.Repeat("X", 1000) },
		"host, printed":   func(r *http.Request) { r.Host = "\x1b[31m" + strings.Repeat("x", 1000) },
	} {
		_, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid, editor(edit))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		checkText(t, err)
	}
}

// What a request editor does to the rest is its own affair.
func TestRequestEditorsAreFree(t *testing.T) {
	var got *http.Request
	url := apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
	})
	edit := editor(func(r *http.Request) {
		r.Header.Set("User-Agent", "theirs")
		r.Header.Set("X-Theirs", "1")
		r.Header.Set("Host", "ignored by net/http")
		r.Method, r.Host = "", "" // mean the same
	})
	if _, err := apitest.At(t, url).Generated().FetchCustomerProfileWithResponse(t.Context(), sid, edit); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("User-Agent") != "theirs" || got.Header.Get("X-Theirs") != "1" || got.Method != http.MethodGet || got.Host != strings.TrimPrefix(url, "http://") {
		t.Errorf("got %s %s %v", got.Method, got.Host, got.Header)
	}
}

func editor(edit func(*http.Request)) gen.RequestEditorFn {
	return func(_ context.Context, r *http.Request) error { edit(r); return nil }
}
