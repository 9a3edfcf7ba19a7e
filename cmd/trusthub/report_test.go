package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tempFile writes a file for one test and returns its path.
func tempFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func ndjson(t *testing.T) string {
	t.Helper()
	_, out, _ := execute(t, "fetch", sid, "--fake", "-o", "ndjson")
	return out
}

// A last line that is not complete yet is ignored, wherever it ends.
func TestReportOfTruncatedFile(t *testing.T) {
	line := ndjson(t)
	for cut := 1; cut < len(line)-1; cut += 7 {
		if code, _, stderr := execute(t, "report", tempFile(t, "results.ndjson", line+line[:cut])); code != 0 {
			t.Fatalf("cut after %d of %d bytes: exit %d: %s", cut, len(line), code, stderr)
		}
	}
}

// Rows are joined by SIDs as fetch reads them. A SID without a result is no success.
func TestReportJoin(t *testing.T) {
	results := tempFile(t, "results.ndjson", ndjson(t))
	code, out, stderr := execute(t, "report", results, "-o", "csv", "--join", tempFile(t, "own.csv", "name,sid\nAcme,\u200b"+sid+"\n"))
	if code != 0 || !strings.Contains(out, ",draft,") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	code, _, stderr = execute(t, "report", results, "-o", "csv", "--join", tempFile(t, "own.csv", "name,sid\n\"Acme,"+sid+"\nB,#N/A\nC,"+sid+"\n"))
	if code != 5 || !strings.Contains(stderr, "skipped") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	code, out, stderr = execute(t, "report", results, "-o", "csv", "--join", tempFile(t, "own.csv", "name,sid\nAcme,"+unknown+"\nB,\n"))
	if code != 1 || strings.Count(out, "\n") != 3 || !strings.Contains(stderr, "1 rows have a SID without a result") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
}

func TestReportExpiring(t *testing.T) {
	results := tempFile(t, "results.ndjson", strings.Replace(ndjson(t), `"valid_until":null`, `"valid_until":"2100-01-01T00:00:00Z"`, 1))
	for expiring, want := range map[string]bool{"30d": false, "240h": false, "220000d": true} {
		if code, out, stderr := execute(t, "report", results, "--expiring", expiring); code != 0 || strings.Contains(out, "2100-01-01") != want {
			t.Errorf("%s: exit %d: %s%s", expiring, code, out, stderr)
		}
	}
	for _, expiring := range []string{"9999999d", "-1d", "-1h", "d", "1"} {
		if code, _, stderr := execute(t, "report", results, "--expiring", expiring); code != 2 || !strings.Contains(stderr, "--expiring") {
			t.Errorf("%s: exit %d: %s", expiring, code, stderr)
		}
	}
}

// A malformed SID is recognized, whatever is in it.
func TestResumeOfMalformedSID(t *testing.T) {
	sids, results := tempFile(t, "sids.txt", sid+"\n\""+unknown+"\\\n"), filepath.Join(t.TempDir(), "r.ndjson")
	execute(t, "fetch", "--from", sids, "--resume", results, "--fake")
	_, _, stderr := execute(t, "fetch", "--from", sids, "--resume", results, "--fake")
	if !strings.Contains(stderr, "0 fetched, 0 failed, 2 skipped") || !strings.Contains(stderr, "2 in all") {
		t.Error(stderr)
	}
}

// A SID that comes twice is counted once.
func TestCountsOfDuplicates(t *testing.T) {
	results := tempFile(t, "results.ndjson", `{"sid":"`+sid+`","error":{"status":503,"message":"x","final":false}}`+"\n")
	sids := tempFile(t, "sids.txt", sid+"\n"+sid+"\n")
	if _, _, stderr := execute(t, "fetch", "--from", sids, "--resume", results, "--fake"); !strings.Contains(stderr, "1 in all: 1 draft") {
		t.Error(stderr)
	}
}
