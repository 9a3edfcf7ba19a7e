// Package text makes text from outside fit for logs, errors and terminals.
package text

import (
	"fmt"
	"strings"
	"unicode"
)

// Printable keeps the printable characters of s, of its first limit bytes, with a … if there are more.
func Printable(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, s)
	if cut {
		s += "…"
	}
	return s
}

// Format prints text as fmt prints a string, also under the verbs that would show the fields of anything else.
func Format(f fmt.State, verb rune, text string) {
	if !strings.ContainsRune("sqxX", verb) {
		verb = 'v'
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), text)
}

// InBrackets joins notes, with a space in front.
func InBrackets(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, ", ") + ")"
}
