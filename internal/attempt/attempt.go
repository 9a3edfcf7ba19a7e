// Package attempt describes how one request ended, in the terms that decide what happens next. The
// packages limiter, retry and outage share it, so none of them depends on HTTP or on this module's
// error types.
package attempt

import "time"

// Kind classifies an outcome by its meaning for the call, and for other calls.
type Kind int

// The kinds.
const (
	Succeeded Kind = iota // a 2xx, decoded where the caller decodes
	// a final response of Twilio: its 400, its 404, its 2xx that cannot be decoded
	Rejected
	// final for this call, but no evidence about the API: Twilio's 403, another status, an error that
	// says so
	Final
	Throttled // 429, from any sender
	// another attempt may end better: 500, 502 to 504, no response, a timeout, a truncated body
	Transient
	// a response without a sign of Twilio that is final for a single call: 403, 3xx, an undecodable
	// 200
	Gateway
	Unauthorized // Twilio's 401, or an Auth that reports one
	// every other call would end in the same way: an invalid certificate, an Auth that fails for good
	Fatal
)

// Outcome is how one request ended.
type Outcome struct {
	Kind Kind
	// the program's own configuration is probably the cause: an unknown host, a gateway's 4xx
	Local      bool
	Reason     string        // the Reason of metrics and logs; "" for success
	RetryAfter time.Duration // the wait that the server asked for; 0: none
	Took       time.Duration
	Err        error // nil for success
}

// Retryable reports whether the call may make another attempt.
func (o *Outcome) Retryable() bool { return o.Kind == Throttled || o.Kind == Transient }

// Conclusive reports whether the API is up and has given a final response.
func (o *Outcome) Conclusive() bool { return o.Kind == Succeeded || o.Kind == Rejected }
