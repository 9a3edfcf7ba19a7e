package webhook

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed07fc1495/trusthub/internal/sid"
)

// CalledURL returns the URL that Twilio has called and signed, of a handler that it reaches at public.
func CalledURL(public string, u *url.URL) string {
	called := public
	if path := cmp.Or(u.RawPath, u.EscapedPath()); path != "" { // as it came, also where that is not as it should be escaped
		called = strings.TrimSuffix(called, "/") + "/" + strings.TrimPrefix(path, "/")
	}
	if u.RawQuery != "" || u.ForceQuery {
		called += "?" + u.RawQuery
	}
	return called
}

// Subject returns the SID of the profile that a request is about, or "" if it is not about exactly one: the last in the path, or else the
// one among what is posted, or among the query of a GET.
func Subject(r *http.Request, body []byte) string {
	for _, element := range slices.Backward(strings.Split(r.URL.Path, "/")) {
		if sid.IsValid(element) {
			return element
		}
	}
	if r.Method != http.MethodPost {
		return only(formValues(r.URL.RawQuery))
	}
	if values := jsonStrings(body); values != nil {
		return only(values)
	}
	return only(formValues(string(body)))
}

// only returns the one SID among values, however often it is there and in whichever case, or "".
func only(values []string) (found string) {
	for _, value := range values {
		switch {
		case !sid.IsValid(value) || strings.EqualFold(value, found):
		case found != "":
			return ""
		default:
			found = value
		}
	}
	return found
}

func formValues(form string) (all []string) {
	parameters, err := url.ParseQuery(form)
	if err != nil {
		return nil
	}
	for _, values := range parameters {
		all = append(all, values...)
	}
	return all
}

// jsonStrings returns all strings of a document, or nil if it is none.
func jsonStrings(document []byte) (all []string) {
	decoder := jsontext.NewDecoder(bytes.NewReader(document))
	for {
		token, err := decoder.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			return nil
		case token.Kind() == '"':
			all = append(all, token.String())
		}
	}
}
