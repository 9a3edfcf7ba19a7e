package trusthub

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode"
)

// Format prints the text, by value as by pointer: the fields hold what must not be printed.
func (e Error) Format(f fmt.State, verb rune) { printText(f, verb, e.Error()) }

// LogValue logs what [WithLogger] does of an attempt, and how many there were.
func (e Error) LogValue() slog.Value {
	return logValue(e.from, ReasonStatus, slog.Int("status", e.StatusCode), slog.String("request_id", printable(e.RequestID, 64)))
}

// Format prints the text, by value as by pointer: the fields hold what must not be printed.
func (e DecodeError) Format(f fmt.State, verb rune) { printText(f, verb, e.Error()) }

// LogValue logs what [WithLogger] does of an attempt, and how many there were.
func (e DecodeError) LogValue() slog.Value {
	return logValue(e.from, reasonOf(&e), slog.Int("status", e.StatusCode), slog.String("request_id", printable(e.RequestID, 64)))
}

func (e *sendError) Format(f fmt.State, verb rune) { printText(f, verb, e.Error()) }

func (e *sendError) LogValue() slog.Value { return logValue(e.from, reasonOf(e)) }

func logValue(from origin, reason Reason, more ...slog.Attr) slog.Value {
	return slog.GroupValue(append([]slog.Attr{
		slog.String("method", from.method), slog.String("path", from.path), slog.Int("attempts", from.attempts), slog.String("reason", string(reason)),
	}, more...)...)
}

// printText prints text as fmt prints a string, also under the verbs that show the fields of anything else.
func printText(f fmt.State, verb rune, text string) {
	if !strings.ContainsRune("sqxX", verb) {
		verb = 'v'
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), text)
}

// origin is the call that an error comes from. It names the request as people write it down: GET /v1/CustomerProfiles/BU….
type origin struct {
	method, path string
	attempts     int
}

func describe(from origin, what string) string {
	if from.path == "" {
		return "trusthub: " + what
	}
	return "trusthub: " + printable(cmp.Or(from.method, http.MethodGet)+" "+from.path, 100) + ": " + what
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
