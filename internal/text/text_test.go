package text_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/internal/text"
)

func TestPrintable(t *testing.T) {
	for _, test := range []struct {
		in    string
		limit int
		want  string
	}{
		{"Acme Ltd", 8, "Acme Ltd"},
		{"Acme Ltd", 4, "Acme…"},
		{"", 0, ""},
		{"a", 0, "…"},
		{"a\x1b[31m\nb\u202ec\x00\x7f", 80, "a[31mbc"},
		{"naïve 你好", 80, "naïve 你好"},
		{"\xff\ufffd", 80, ""}, // invalid UTF-8 and its replacement character
		{"é", 1, "…"},          // characters are not divided
		{"\n\n\nabc", 3, "…"},  // the limit applies to the input
		{"tab\tand\rreturn", 80, "tabandreturn"},
	} {
		if got := text.Printable(test.in, test.limit); got != test.want {
			t.Errorf("%q, %d: got %q, want %q", test.in, test.limit, got, test.want)
		}
		if got := text.Printable(test.in, len(test.in)); got != text.Clean(test.in) {
			t.Errorf("%q: got %q", test.in, got)
		}
	}
}

type printer string

func (p printer) Format(f fmt.State, verb rune) { text.Format(f, verb, string(p)) }

// Format verbs for strings apply to the text as to any string. All other verbs print the text
// unchanged.
func TestFormat(t *testing.T) {
	for verb, want := range map[string]string{
		"%s": "né", "%v": "né", "%+v": "né", "%#v": `"né"`, "%d": "né", "%t": "né", "%c": "né", "%e": "né", "%U": "né",
		"%q": `"né"`, "%+q": `"n\u00e9"`, "%x": "6ec3a9", "%X": "6EC3A9", "%.1s": "n", "%4s|": "  né|", "%-4s|": "né  |",
	} {
		if got := fmt.Sprintf(verb, printer("né")); got != want {
			t.Errorf("%s: got %s, want %s", verb, got, want)
		}
	}
}

func TestInBrackets(t *testing.T) {
	for want, notes := range map[string][]string{"": nil, " (a)": {"a"}, " (a, b)": {"a", "b"}} {
		if got := text.InBrackets(notes); got != want {
			t.Errorf("%s: got %q", strings.Join(notes, "|"), got)
		}
	}
}
