package main

import (
	"slices"
	"testing"
)

func TestChanges(t *testing.T) {
	before := []row{{"Status", "in-review"}, {"Link a", "https://a"}}
	now := []row{{"Status", "twilio-rejected"}, {"Error 1", "18601"}}
	want := []string{"Status: in-review -> twilio-rejected", "Error 1: 18601", "Link a: https://a -> -"}
	if got := changes(before, now); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
