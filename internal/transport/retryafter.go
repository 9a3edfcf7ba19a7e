package transport

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds the waits that a server asks for. A longer one is a mistake, such as a date
// in another century.
const MaxRetryAfter = time.Hour

// RetryAfter reads a Retry-After header, seconds or a date (RFC 9110, 10.2.3). It returns 0 for a
// malformed value and for the past.
func RetryAfter(value string) time.Duration {
	if strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseUint(value, 10, 64) // the maximum on overflow; 0 for ""
		return time.Duration(min(seconds, math.MaxInt64/uint64(time.Second))) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(time.Until(date), 0)
}
