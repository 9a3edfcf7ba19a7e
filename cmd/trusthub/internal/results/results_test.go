package results_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
)

const (
	one = "BU0123456789abcdef0123456789abcdef"
	two = "BUabcdef0123456789abcdef0123456789"
)

// Lines of any length are recognized as results or not, with or without a line end.
func TestLines(t *testing.T) {
	long := `{"sid":"` + one + `","friendly_name":"` + strings.Repeat("a", 200_000) + `","status":"draft"}`
	for text, want := range map[string]struct{ sid, status, failure string }{
		`{"sid":"` + one + `","status":"draft"}`:                         {one, "draft", ""},
		"\ufeff" + `{"status":null,"sid":"` + one + `"}`:                 {one, "", ""},
		`{"error":{"final":true},"sid":"BU1"}` + "\r":                    {"BU1", "", `{"final":true}`},
		`{"sid":"` + one + `","error":null,"links":{"error":1,"sid":2}}`: {one, "", ""},
		long:                             {one, "draft", ""},
		`{"sid":"` + one + `"} {}`:       {},
		`{"sid":5}`:                      {},
		`{"sid":null,"status":"draft"}`:  {},
		`["sid"]`:                        {},
		`{"sid":"` + one:                 {},
		``:                               {},
		`{"sid":"` + one + `",}`:         {},
		`{"SID":"` + one + `","s":"sid"`: {},
	} {
		reader, line := results.NewReader(strings.NewReader(text+"\n"+text)), new(results.Line)
		if err := reader.Next(line); err != nil || string(line.SID) != want.sid || string(line.Status) != want.status || string(line.Failure) != want.failure || !line.HasEnd {
			t.Errorf("%.60s: got %s, %s, %s, %v", text, line.SID, line.Status, line.Failure, err)
		}
		if text == "" {
			continue
		}
		if err := reader.Next(line); err != nil || line.HasEnd || line.Offset != int64(len(text)+1) {
			t.Errorf("%.60s: got %v", text, err)
		}
		if err := reader.Next(line); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	}
}

// The last state of a SID counts, in any case of its digits.
func TestStates(t *testing.T) {
	var states results.States
	for _, add := range []struct{ sid, state string }{
		{one, results.Again}, {two, "draft"}, {"BU1", results.Final}, {strings.ToUpper(one[:20]) + one[20:], "in-review"}, {two, results.Again},
	} {
		states.Add([]byte(add.sid), add.state)
	}
	for sid, want := range map[string]string{
		one: "in-review", two: results.Again, "BU" + strings.ToUpper(two[2:]): results.Again, "bu1": results.Final, "BU2": "", one[:33] + "0": "",
	} {
		if got := states.Of(sid); got != want {
			t.Errorf("%s: got %q, want %q", sid, got, want)
		}
	}
	if got := states.Counts().String(); got != "3 in all: 1 in-review, 1 failed for good, 1 to be fetched again" {
		t.Errorf("got %s", got)
	}
}

// Each and Find return the last line of a SID.
func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "results.ndjson")
	lines := `{"sid":"` + one + `","error":{"message":"down"}}` + "\n\n" + `{"sid":"` + one + `","status":"draft","friendly_name":"\"error\""}` + "\n" +
		`{"sid":"BU1","error":{"message":"malformed","final":true}}` + "\n" + `{"sid":"` + two + `","stat`
	if err := os.WriteFile(name, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := results.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var got []string
	if err := file.Each(func(r *results.Result) error { got = append(got, r.SID); return nil }); err != nil || strings.Join(got, " ") != one+" BU1" {
		t.Errorf("got %q, %v", got, err)
	}
	if r, err := file.Find("BU" + strings.ToUpper(one[2:])); err != nil || r.Profile.Status != "draft" {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := file.Find("BU1"); err != nil || !r.Error.Final {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := file.Find(two); r != nil || err != nil {
		t.Errorf("got %+v, %v", r, err)
	}
	if got := file.Counts().String(); got != "2 in all: 1 draft, 1 failed for good" {
		t.Errorf("got %s", got)
	}
}

// A file is reported as it was when it was opened.
func TestFileThatGrows(t *testing.T) {
	const line = `{"sid":"` + one + `","status":"draft"}` + "\n"
	name := filepath.Join(t.TempDir(), "r.ndjson")
	for _, text := range []string{line, line + line[:len(line)-20], line + line} {
		if err := os.WriteFile(name, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := results.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		_ = os.WriteFile(name, []byte(text), 0o600) // another run writes
		n := 0
		if err := file.Each(func(*results.Result) error { n++; return nil }); err != nil || n != file.Counts().Total() {
			t.Errorf("%d results, %v", n, err)
		}
		_ = file.Close()
	}
}
