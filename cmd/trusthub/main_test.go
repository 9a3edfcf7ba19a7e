package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const sid = trusthubtest.ExampleSID

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
Error 1                                             18601  https://www.twilio.com/docs/api/errors/18601
`
	rest := stdout
	for line := range strings.Lines(want) { // and what the document gains
		var found bool
		if _, rest, found = strings.Cut(rest, line); !found {
			t.Errorf("got\n%s, without the line or not in order: %s", stdout, line)
		}
	}
}

func TestTextIsSafeForTerminals(t *testing.T) {
	var out bytes.Buffer
	hostile := &trusthub.CustomerProfile{FriendlyName: "\x1b[2Ja\tb\nc", Links: map[string]string{"\x07": "\u202e"}}
	if err := writeText(&out, 0, hostile, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "[2Jabc\n") || strings.ContainsAny(out.String(), "\x1b\x07\t\u202e") {
		t.Errorf("got %q", out.String())
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

func TestExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"help":             {[]string{"--help"}, 0, ""},
		"completion":       {[]string{"completion", "bash"}, 0, ""},
		"not found":        {[]string{"fetch", unknown, "--fake"}, 1, "404 Not Found"},
		"one of two":       {[]string{"fetch", sid, unknown, "--fake"}, 1, "1 of 2 profiles could not be fetched"},
		"malformed beside": {[]string{"fetch", "BU1", unknown, "--fake"}, 1, "2 of 2 profiles"},
		"malformed SID":    {[]string{"fetch", "BU1", "--fake"}, 2, "want BU and 32 hexadecimal digits"},
		"no SID":           {[]string{"fetch", "--fake"}, 2, "requires at least 1 arg"},
		"unknown output":   {[]string{"fetch", sid, "--fake", "-o", "xml"}, 2, "use text, json or ndjson"},
		"SIDs beside -":    {[]string{"fetch", "-", sid, "--fake"}, 2, "takes no SIDs beside it"},
		"json of many":     {[]string{"fetch", "-", "--fake", "-o", "json"}, 2, "use -o ndjson"},
		"no concurrency":   {[]string{"fetch", "-", "--fake", "--concurrency", "0"}, 2, "0 is not positive"},
		"watch malformed":  {[]string{"watch", "BU1", "--fake"}, 2, "want BU and 32 hexadecimal digits"},
		"watch never":      {[]string{"watch", sid, "--fake", "--every", "0s"}, 2, "not positive"},
		"watch unknown":    {[]string{"watch", unknown, "--fake"}, 1, "404 Not Found"},
		"unknown flag":     {[]string{"fetch", sid, "--nonsense"}, 2, "unknown flag"},
		"unknown command":  {[]string{"nonsense"}, 2, "unknown command"},
		"two servers":      {[]string{"fetch", sid, "--fake", "--base-url", "http://localhost"}, 2, "none of the others can be"},
		"bad base URL":     {[]string{"fetch", sid, "--base-url", "http://h"}, 2, "set TWILIO_ACCOUNT_SID"},
		"check":            {[]string{"check", sid, "--fake"}, 0, ""},
		"check not found":  {[]string{"check", sid, unknown, "--fake"}, 1, "1 of 2 profiles failed the check"},
		"check nothing":    {[]string{"check", "--fake"}, 2, "requires at least 1 arg"},
		"check as XML":     {[]string{"check", sid, "--fake", "-o", "xml"}, 2, "use text or json"},
		"no credentials":   {[]string{"fetch", sid}, 2, "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"},
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
	return executeHere(t, args...)
}

// executeHere runs the command in the environment as it is.
func executeHere(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}
