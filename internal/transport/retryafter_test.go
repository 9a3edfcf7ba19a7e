package transport_test

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub/internal/transport"
)

// RetryAfter returns zero for an invalid value, and the maximum for a value that exceeds a
// Duration.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // starts at a whole second
		for value, want := range map[string]time.Duration{
			"1":  time.Second,
			"7":  7 * time.Second,
			"07": 7 * time.Second,
			time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat): 5 * time.Second,
			time.Now().Add(time.Minute).UTC().Format(time.RFC850):         time.Minute,
			"9223372036":                    9223372036 * time.Second,
			"99999999999999999999":          9223372036 * time.Second,
			"18446744073709551615":          9223372036 * time.Second,
			"Fri, 31 Dec 9999 23:59:59 GMT": 1<<63 - 1,
			"":                              0,
			"0":                             0,
			"-5":                            0,
			"1.5":                           0,
			"soon":                          0,
			"+7":                            0,
			"1 s":                           0,
			" 1":                            0,
			"0x10":                          0,
			"18700000000000000000A":         0,
			"Mon, 01 Jan 1990 00:00:00 GMT": 0,
			"Mon, 99 Jan 2030 00:00:00 GMT": 0,
		} {
			if got := transport.RetryAfter(value); got != want {
				t.Errorf("%q: got %v, want %v", value, got, want)
			}
		}
	})
}

// A valid Retry-After is a number of seconds or a date.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"0", "1", "-1", "99999999999999999999", "1.5", "18700000000000000000A", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 1990 00:00:00 GMT", " 1", "+1"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := transport.RetryAfter(value)
		_, dateErr := http.ParseTime(value)
		digits := value != "" && strings.Trim(value, "0123456789") == ""
		seconds, _ := strconv.ParseFloat(value, 64)
		switch {
		case digits && seconds < math.MaxInt64/float64(time.Second)-1 && got != time.Duration(seconds)*time.Second:
			t.Errorf("%q is %v", value, got)
		case got < 0, got > 0 && !digits && dateErr != nil:
			t.Errorf("%q is %v", value, got)
		}
	})
}
