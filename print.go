package trusthub

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode"
)

// Format prints the text, by value as by pointer: the fields hold what must not be printed.
func (e Error) Format(f fmt.State, verb rune) { printText(f, verb, e.Error()) }

// LogValue logs the text.
func (e Error) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// Format prints the text, by value as by pointer: the fields hold what must not be printed.
func (e DecodeError) Format(f fmt.State, verb rune) { printText(f, verb, e.Error()) }

// LogValue logs the text.
func (e DecodeError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

func (e *sendError) Format(f fmt.State, verb rune) { printText(f, verb, e.Error()) }

// printText prints text as fmt prints a string, also under the verbs that show the fields of anything else.
func printText(f fmt.State, verb rune, text string) {
	if !strings.ContainsRune("sqxX", verb) {
		verb = 'v'
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), text)
}

// operation names a request as people write it down: GET /v1/CustomerProfiles/BU….
func operation(req *http.Request) string { return req.Method + " " + req.URL.Path }

func describe(op, what string) string {
	if op == "" {
		return "trusthub: " + what
	}
	return "trusthub: " + printable(op, 100) + ": " + what
}

func requestNote(id string) []string {
	if id == "" {
		return nil
	}
	return []string{"request " + printable(id, 64)}
}

func inBrackets(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, ", ") + ")"
}

// printable makes text from outside fit for a log: printable characters only, at most limit bytes and a ….
func printable(s string, limit int) string {
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
