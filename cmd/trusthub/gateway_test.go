package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/internal/gatewaytest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// A gateway's response is no violation and not a final error of a SID. The next run fetches these
// SIDs.
func TestGateways(t *testing.T) {
	t.Setenv("TWILIO_ACCOUNT_SID", trusthubtest.Username)
	t.Setenv("TWILIO_AUTH_TOKEN", trusthubtest.Password)
	for name, fault := range gatewaytest.Gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // waits take real time
			server := trusthubtest.NewServer(t)
			server.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) { return fault, true })
			command := func(args ...string) (code int, said string) {
				var out bytes.Buffer
				code = run(t.Context(), append(args, "--base-url", server.URL, "--retries", "0"), strings.NewReader(sid+"\n"), &out, &out)
				return code, out.String()
			}
			if code, said := command("check", sid); code != exitFailed {
				t.Errorf("check: exit %d: %s", code, said)
			}
			if fault.Status == http.StatusTooManyRequests { // is not an error of the SID
				server.FailFunc(nil)
				server.Fail(fault)
				if code, said := command("fetch", "-", "-o", "ndjson"); code != exitOK {
					t.Errorf("fetch: exit %d: %s", code, said)
				}
				return
			}
			results := filepath.Join(t.TempDir(), "results.ndjson")
			code, said := command("fetch", "-", "--resume", results, "--max-outage", "0")
			line, err := os.ReadFile(results)
			if err != nil || code != exitFailed || !strings.Contains(string(line), `"final":false`) {
				t.Errorf("fetch: exit %d: %s%s, %v", code, said, line, err)
			}
			server.FailFunc(nil)
			if code, said := command("fetch", "-", "--resume", results); code != exitOK || !strings.Contains(said, "1 fetched, 0 failed") {
				t.Errorf("fetch again: exit %d: %s", code, said)
			}
		})
	}
}

// Twilio's errors keep the contract, except those with an odd member.
func TestErrorsOfTwilio(t *testing.T) {
	t.Setenv("TWILIO_ACCOUNT_SID", trusthubtest.Username)
	t.Setenv("TWILIO_AUTH_TOKEN", trusthubtest.Password)
	for name, fault := range gatewaytest.Twilios() {
		server := trusthubtest.NewServer(t)
		server.Fail(fault)
		want := exitFailed
		if strings.Contains(name, "odd") {
			want = exitBroken
		}
		var out bytes.Buffer
		if code := run(t.Context(), []string{"check", sid, "--base-url", server.URL, "--retries", "0"}, strings.NewReader(""), &out, &out); code != want {
			t.Errorf("%s: exit %d, want %d: %s", name, code, want, out.String())
		}
	}
}
