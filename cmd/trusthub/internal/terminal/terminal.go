// Package terminal makes text fit to be shown on one.
package terminal

import (
	"strings"
	"unicode"
)

// Printable drops what could move the cursor or recolour a terminal: names are free text that others entered.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}
