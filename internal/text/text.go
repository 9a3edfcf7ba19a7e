// Package text makes foreign text safe for logs, errors and terminals.
package text

import (
	"fmt"
	"strings"
	"unicode"
)

// Clean keeps the printable characters of s. It drops invalid UTF-8 and all characters that could
// move the cursor of a terminal or break a line of a log.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, s)
}

// Printable returns [Clean] of the first limit bytes of s, with a … if there are more.
func Printable(s string, limit int) string {
	if len(s) > limit {
		return Clean(s[:limit]) + "…"
	}
	return Clean(s)
}

// Format prints text as fmt prints a string, also under verbs that would show the fields of a
// struct.
func Format(f fmt.State, verb rune, text string) {
	if !strings.ContainsRune("sqxX", verb) {
		verb = 'v'
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), text)
}

// InBrackets joins notes, with a leading space.
func InBrackets(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, ", ") + ")"
}
