package contract_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// A response is passed on byte for byte, or it is a short violation without text of the response.
// NewTransport and Observe report the same violation.
func FuzzContractAnswer(f *testing.F) {
	f.Add(200, jsonType, "true", `{"sid":"`+sid+`","status":"draft","errors":[{"code":18601}],"links":{"a":"https://a"}}`)
	f.Add(200, "text/html", "maybe", "<html>")
	f.Add(200, jsonType, "", `{"errors":[1,"a",null],"links":{"a/b~":1},"status":"new","date_created":"2026-02-30T00:00:00Z"}`)
	f.Add(404, "application/JSON; charset", "false", `{"code":"20404","code":1}`)
	f.Add(429, "application/problem+json", "", "null")
	f.Add(503, jsonType, "", "upstream")
	f.Add(302, "", "", "")
	f.Add(204, jsonType, "x", "")
	pointer := regexp.MustCompile(`^(/([^~/]|~[01])*)*$`)
	f.Fuzz(func(t *testing.T, status int, contentType, credentials, body string) {
		header := http.Header{"Content-Type": {contentType}, "Access-Control-Allow-Credentials": {credentials}}
		var reported *contract.Violation
		observed, observeErr := sendOver(t, contract.Observe(func(v *contract.Violation) { reported = v })(apitest.Canned(status, header, body)))
		answer, err := sendOver(t, contract.NewTransport(apitest.Canned(status, header, body)))
		if observeErr != nil || observed != body || err == nil && answer != body {
			t.Errorf("%q, %q: got %q, observed %q, %v", contentType, body, answer, observed, observeErr)
		}
		var violation *contract.Violation
		if errors.As(err, &violation) != (err != nil) || !reflect.DeepEqual(violation, reported) {
			t.Fatalf("failed with %v, reported %v", err, reported)
		}
		if violation == nil {
			return
		}
		passing := status/100 == 5 || status == 429
		if passing && !json.Valid([]byte(body)) || violation.StatusCode != status || len(violation.Findings) == 0 || len(violation.Findings) > 100 {
			t.Errorf("got %#v", violation)
		}
		if text := violation.Error(); len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		for _, finding := range violation.Findings {
			if !pointer.MatchString(finding.Pointer) || finding.Reason == "" || len(finding.Reason) > 200 {
				t.Errorf("got %#v", finding)
			}
		}
	})
}

// sendOver fetches the example over a transport and returns the body of the response.
func sendOver(t *testing.T, transport http.RoundTripper) (string, error) {
	t.Helper()
	req := request(http.MethodGet, path)
	answer, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body), err
}
