package main

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestCheckReports(t *testing.T) {
	server := trusthubtest.NewServer(t)
	t.Setenv("TWILIO_API_KEY", trusthubtest.Username)
	t.Setenv("TWILIO_API_SECRET", trusthubtest.Password)
	broken := trusthubtest.Fault{Body: `{"sid":"` + sid + `","status":"on-hold","email":1}`}

	server.Fail(trusthubtest.Fault{}, broken)
	code, stdout, stderr := executeHere(t, "check", sid, sid, unknown, "--base-url", server.URL)
	want := `pass  BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
FAIL  BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      in the response with status 200, request RQ00000000000000000000000000000002:
      /email  value must be a string
      /status  value is not one of the allowed values ["draft","pending-review","in-review","twilio-rejected","twilio-approved"]
FAIL  BU00000000000000000000000000000000
      trusthub: GET /v1/CustomerProfiles/BU00000000000000000000000000000000: 404 Not Found: The requested resource /v1/CustomerProfiles/BU00000000000000000000000000000000 was not found (code 20404, request RQ00000000000000000000000000000003)
`
	if code != 1 || stdout != want || stderr != "trusthub: 2 of 3 profiles failed the check\n" {
		t.Errorf("exit %d, stderr %s, got\n%s", code, stderr, stdout)
	}

	server.Fail(trusthubtest.Fault{}, broken)
	code, stdout, _ = executeHere(t, "check", sid, sid, "--base-url", server.URL, "-o", "json")
	var got []verdict
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if code != 1 || !reflect.DeepEqual(got[0], verdict{SID: sid, Pass: true}) || got[1].Pass || got[1].Direction != "response" ||
		got[1].Status != 200 || got[1].RequestID == "" || len(got[1].Findings) != 2 || got[1].Findings[0] != (finding{"/email", "value must be a string"}) {
		t.Errorf("exit %d, got %+v", code, got)
	}
}
