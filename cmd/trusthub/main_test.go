package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const (
	sid     = trusthubtest.ExampleSID
	unknown = "BU00000000000000000000000000000000"
)

func TestFetchForPeople(t *testing.T) {
	code, stdout, stderr := execute(t, "fetch", sid, "--fake")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	want := `SID                                                 BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
Account SID                                         ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
Policy SID                                          RNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
Friendly name                                       friendly_name
Status                                              draft
Valid until                                         -
Email                                               email
Status callback                                     http://www.example.com
Date created                                        2019-07-30T22:29:24Z
Date updated                                        2019-07-31T01:09:00Z
URL                                                 https://trusthub.twilio.com/v1/CustomerProfiles/BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
Link customer_profiles_channel_endpoint_assignment  https://trusthub.twilio.com/v1/CustomerProfiles/BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/ChannelEndpointAssignments
Link customer_profiles_entity_assignments           https://trusthub.twilio.com/v1/CustomerProfiles/BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/EntityAssignments
Link customer_profiles_evaluations                  https://trusthub.twilio.com/v1/CustomerProfiles/BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Evaluations
Error 1                                             18601  the business name and the website cannot be associated with each other  https://www.twilio.com/docs/api/errors/18601
`
	rest := stdout
	for line := range strings.Lines(want) { // in order, with new properties between
		var found bool
		if _, rest, found = strings.Cut(rest, line); !found {
			t.Errorf("got\n%s, without the line or not in order: %s", stdout, line)
		}
	}
}

func TestFetchJSONAsReceived(t *testing.T) {
	code, stdout, stderr := execute(t, "fetch", sid, "--fake", "-o", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	recorder := httptest.NewRecorder()
	req := httptest.NewRequest("GET", "/v1/CustomerProfiles/"+sid, nil)
	req.SetBasicAuth(trusthubtest.Username, trusthubtest.Password)
	trusthubtest.NewHandler().ServeHTTP(recorder, req)
	if stdout != recorder.Body.String()+"\n" || !json.Valid([]byte(stdout)) {
		t.Errorf("got %s", stdout)
	}
}

// Exit codes that no script tests.
func TestExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"completion":       {[]string{"completion", "bash"}, 0, ""},
		"one of two":       {[]string{"fetch", sid, unknown, "--fake"}, 5, "1 of 2 profiles could not be fetched"},
		"malformed beside": {[]string{"fetch", "BU1", unknown, "--fake"}, 5, "2 of 2 profiles"},
		"one malformed":    {[]string{"fetch", sid, "BU1", "--fake"}, 5, "1 of 2 profiles could not be fetched"},
		"malformed SID":    {[]string{"fetch", "BU1", "--fake"}, 2, "want BU and 32 hexadecimal digits"},
		"unknown output":   {[]string{"fetch", sid, "--fake", "-o", "xml"}, 2, "use text, json, ndjson or csv"},
		"json of many":     {[]string{"fetch", "-", "--fake", "-o", "json"}, 2, "use -o ndjson"},
		"two servers":      {[]string{"fetch", sid, "--fake", "--base-url", "http://localhost"}, 2, "none of the others can be"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := execute(t, test.args...)
			if code != test.code || !strings.Contains(stderr, test.stderr) {
				t.Errorf("exit %d, want %d; stderr %s", code, test.code, stderr)
			}
		})
	}
}

func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for _, key := range []string{"ACCOUNT_SID", "AUTH_TOKEN", "API_KEY", "API_SECRET", "EDGE", "REGION"} {
		t.Setenv("TWILIO_"+key, "")
	}
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}
