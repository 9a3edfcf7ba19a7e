package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
)

// The SIDs of a file are counted before they are read, without those to skip.
func TestCount(t *testing.T) {
	in := &input{from: tempFile(t, "sids.csv", "sid\n"+sid+"\n"+unknown+"\nBU1\n")}
	known := new(earlier)
	known.states.Add([]byte("BU1"), results.Final)
	source, err := in.open(nil, nil, known, true)
	if err != nil {
		t.Fatal(err)
	}
	defer source.close()
	if got := slices.Collect(source.sids); source.total != 2 || !slices.Equal(got, []string{sid, unknown}) || source.skipped.Load() != 1 {
		t.Errorf("counted %d, then read %q", source.total, got)
	}
	if !source.complete.Load() {
		t.Error("complete is false after all SIDs")
	}
}

func TestPipesAreNotCounted(t *testing.T) {
	source, err := (&input{}).open([]string{"-"}, strings.NewReader(sid), new(earlier), true)
	if err != nil || source.total != -1 {
		t.Errorf("counted %d, %v", source.total, err)
	}
	for range source.sids {
		break
	}
	if source.complete.Load() {
		t.Error("complete is true after break")
	}
}
