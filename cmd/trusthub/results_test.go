package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
)

// A line has the SID, also when the response has none.
func TestNDJSONHasTheSID(t *testing.T) {
	for body, want := range map[string]string{
		"{\n \"sid\": \"BU1\",\n \"email\": null\n}": `{"sid":"BU1","email":null}`,
		`{"status":"draft","sid":null}`:              `{"sid":"BU2","status":"draft"}`,
		`{"friendly_name":"<a & b>","new_key":1.0}`:  `{"friendly_name":"<a & b>","new_key":1.0,"sid":"BU2"}`,
	} {
		result := trusthub.FetchResult{SID: "BU2", Profile: new(trusthub.CustomerProfile), Response: trusthub.Response{Body: trusthub.Body(body)}}
		if strings.Contains(body, "BU1") {
			result.Profile.SID = "BU1"
		}
		var line bytes.Buffer
		if err := writeNDJSON(&line, result); err != nil || line.String() != want+"\n" {
			t.Errorf("got %s, %v, want %s", line.String(), err, want)
		}
	}
}

// An error is final if it is about the SID and a retry cannot help. A 404 that is not from Twilio
// may be from a proxy or a wrong address.
func TestFinalErrors(t *testing.T) {
	for status, want := range map[int]bool{302: false, 400: false, 401: false, 403: false, 404: true, 407: false, 429: false, 500: false, 503: false} {
		if err := fmt.Errorf("around: %w", &trusthub.Error{StatusCode: status, Code: 20000 + status}); isFinal(err) != want {
			t.Errorf("%d: got %v", status, !want)
		}
	}
	for err, want := range map[error]bool{
		trusthub.ErrInvalidSID:                                   true,
		&trusthub.Error{StatusCode: 404}:                         false,
		&trusthub.DecodeError{Pointer: "/sid"}:                   false,
		&trusthub.DecodeError{Err: errors.New("connection cut")}: false,
		errors.New("no route to host"):                           false,
	} {
		if isFinal(err) != want {
			t.Errorf("%v: got %v", err, !want)
		}
	}
}
