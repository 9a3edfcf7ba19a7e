package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const unknown = "BU00000000000000000000000000000000"

func TestFetchManyAsNDJSON(t *testing.T) {
	stdin := "# nightly\n\n" + sid + "\r\n  " + unknown + "  \nBU1\n" + sid
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"fetch", "-", "--fake", "-o", "ndjson", "--concurrency", "4"}, strings.NewReader(stdin), &stdout, &stderr)
	if code != 1 || stderr.String() != "trusthub: 4 done, 2 failed\n" {
		t.Errorf("exit %d, stderr %s", code, stderr.String())
	}
	var got []string
	for line := range strings.Lines(stdout.String()) {
		var result struct {
			SID    string
			Status string
			Error  struct {
				Status, Code int
				RequestID    string `json:"request_id"`
				Message      string
			}
		}
		if err := json.Unmarshal([]byte(line), &result); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		switch result.SID {
		case unknown:
			if e := result.Error; e.Status != 404 || e.Code != 20404 || e.RequestID == "" || e.Message == "" {
				t.Errorf("got %s", line)
			}
		case "BU1":
			if e := result.Error; e.Status != 0 || !strings.Contains(e.Message, "want BU") {
				t.Errorf("got %s", line)
			}
		default:
			if result.Status != "draft" {
				t.Errorf("got %s", line)
			}
		}
		got = append(got, result.SID)
	}
	slices.Sort(got)
	if want := []string{unknown, "BU1", sid, sid}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestFetchManyAsTable(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"fetch", "-", "--fake"}, strings.NewReader(sid+"\n"), &stdout, &stderr)
	if want := sid + "  draft            friendly_name\n"; code != 0 || stdout.String() != want || stderr.String() != "trusthub: 1 done, 0 failed\n" {
		t.Errorf("exit %d, stderr %s, got %q", code, stderr.String(), stdout.String())
	}
}

func TestArgumentsAsNDJSON(t *testing.T) {
	code, stdout, stderr := execute(t, "fetch", sid, sid, "--fake", "-o", "ndjson")
	if code != 0 || strings.Count(stdout, "\n") != 2 || stderr != "trusthub: 2 done, 0 failed\n" {
		t.Errorf("exit %d, stderr %s, got %s", code, stderr, stdout)
	}
}

func TestInputThatCannotBeRead(t *testing.T) {
	var stdout, stderr bytes.Buffer
	stdin := strings.NewReader(sid + "\n" + strings.Repeat("x", 1<<17))
	code := run(t.Context(), []string{"fetch", "-", "--fake"}, stdin, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "token too long (1 done, 0 failed)") {
		t.Errorf("exit %d, stderr %s", code, stderr.String())
	}
}

// After an interrupt, it is told what was done, and what was only under way does not count as failed.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.Fail(trusthubtest.Fault{}, trusthubtest.Fault{Status: 404}, trusthubtest.Fault{Delay: time.Hour})
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, interrupt)
		var stdout, stderr bytes.Buffer
		err := fetchMany(ctx, inProcess(t, fake, trusthub.WithTimeout(24*time.Hour)), newSIDList([]string{sid, sid, sid}), writeTableRow, &stdout, &stderr)
		if err == nil || err.Error() != "interrupted: 2 done, 1 failed" || strings.Count(stdout.String(), "\n") != 2 {
			t.Errorf("got %v, %s", err, stdout.String())
		}
	})
}

func TestCountSIDs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sids.txt")
	if err := os.WriteFile(name, []byte("# two\n"+sid+"\n\n"+unknown+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	source := newSIDReader(file)
	if got := slices.Collect(source.sids); source.total != 2 || !slices.Equal(got, []string{sid, unknown}) {
		t.Errorf("counted %d, then read %q", source.total, got)
	}
	if source := newSIDReader(strings.NewReader(sid)); source.total != -1 {
		t.Errorf("counted %d in a pipe", source.total)
	}
}

func TestWatch(t *testing.T) {
	for outcome, want := range map[trusthub.CustomerProfileStatus]error{
		trusthub.StatusTwilioApproved: nil,
		trusthub.StatusTwilioRejected: errRejected,
	} {
		synctest.Test(t, func(t *testing.T) {
			fake := trusthubtest.NewHandler()
			profile := trusthub.CustomerProfile{SID: sid, Status: trusthub.StatusInReview}
			fake.Put(profile)
			time.AfterFunc(time.Hour, func() { fake.Fail(trusthubtest.Fault{Body: "<html>"}) })
			time.AfterFunc(48*time.Hour, func() { profile.Status = outcome; fake.Put(profile) })
			var stdout, stderr bytes.Buffer
			err := watch(t.Context(), inProcess(t, fake), sid, time.Hour, &stdout, &stderr)
			lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
			last := lines[len(lines)-1]
			if err != want || !strings.HasPrefix(last, "2000-01-03T0") || !strings.HasSuffix(last, "Z  Status: in-review -> "+string(outcome)) { //nolint:errorlint // the very error
				t.Errorf("got %v, %s", err, last)
			}
			if !strings.Contains(stdout.String(), "2000-01-01T00:00:00Z  Status: in-review\n") || !strings.Contains(stderr.String(), "unexpected content type") {
				t.Errorf("got\n%s\n%s", stdout.String(), stderr.String())
			}
		})
	}
}

func TestWatchExitCodes(t *testing.T) {
	server := trusthubtest.NewServer(t)
	t.Setenv("TWILIO_API_KEY", trusthubtest.Username)
	t.Setenv("TWILIO_API_SECRET", trusthubtest.Password)
	for status, want := range map[trusthub.CustomerProfileStatus]int{trusthub.StatusTwilioApproved: 0, trusthub.StatusTwilioRejected: 3} {
		server.Put(trusthub.CustomerProfile{SID: sid, Status: status})
		if code, _, stderr := executeHere(t, "watch", sid, "--base-url", server.URL); code != want || stderr != "" {
			t.Errorf("%s: exit %d, %s", status, code, stderr)
		}
	}
}

func TestChanges(t *testing.T) {
	before := []row{{"Status", "in-review"}, {"Link a", "https://a"}}
	now := []row{{"Status", "twilio-rejected"}, {"Error 1", "18601"}}
	want := []string{"Status: in-review -> twilio-rejected", "Error 1: 18601", "Link a: https://a -> -"}
	if got := changes(before, now); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// inProcess is a client of a fake without a server.
func inProcess(t *testing.T, fake *trusthubtest.Handler, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		append(opts, trusthub.WithHTTPClient(&http.Client{Transport: fake}))...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
