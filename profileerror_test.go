package trusthub_test

import (
	"testing"

	"github.com/seed07fc1495/trusthub"
)

func TestProfileErrorText(t *testing.T) {
	seen := make(map[string]int)
	for code := 18601; code <= 18609; code++ {
		text := trusthub.ProfileErrorText(code)
		if seen[text] != 0 || text == "" {
			t.Errorf("%d: got %q, as for %d", code, text, seen[text])
		}
		seen[text] = code
	}
	if got, want := trusthub.ProfileErrorText(18603), "the address cannot be verified"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, code := range []int{0, 1, 18600, 18610, -18601} {
		if text := trusthub.ProfileErrorText(code); text != "" {
			t.Errorf("%d: got %q", code, text)
		}
	}
}
