package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
)

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

func TestInputThatCannotBeRead(t *testing.T) {
	var stdout, stderr bytes.Buffer
	stdin := strings.NewReader(sid + "\n" + strings.Repeat("x", 17<<20))
	code := run(t.Context(), []string{"fetch", "-", "--fake"}, stdin, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "reading the SIDs: bufio.Scanner: token too long: 1 fetched, 0 failed") {
		t.Errorf("exit %d, stderr %s", code, stderr.String())
	}
}
