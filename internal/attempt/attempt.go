// Package attempt describes how one request ended, in the terms that decide what happens next.
// It is the vocabulary that the packages limiter, retry and outage share, so that none of them has
// to know HTTP or this module's error types.
package attempt

import "time"

// Kind is what an outcome means for the call that made the request, and for others.
type Kind int

// The kinds.
const (
	Succeeded Kind = iota // a 2xx, decoded where the caller decodes
	// a verdict of Twilio on the request: its 400, its 404, a 2xx of its own that cannot be decoded
	Rejected
	// final for this call, and no evidence about the API: Twilio's 403, another status, an error that
	// says so
	Final
	Throttled // 429, whoever sent it
	// another attempt may end better: 500, 502 to 504, no response, a time-out, a truncated body
	Transient
	// a response that bears no sign of Twilio, and is final for a single call: 403, 3xx, an
	// undecodable 200
	Gateway
	Unauthorized // Twilio's 401, or an error that says as much
	// every other call would end the same way: a bad certificate, an Auth that fails for good
	Fatal
)

// Outcome is how one request ended.
type Outcome struct {
	Kind Kind
	// the cause is probably the program's own configuration: an unknown host, a gateway's 4xx
	Local      bool
	Reason     string        // for people: metrics and logs; "" when it succeeded
	RetryAfter time.Duration // as the server asked; 0: it did not
	Took       time.Duration
	Err        error // nil when it succeeded
}

// Retryable reports whether the call may make another attempt.
func (o *Outcome) Retryable() bool { return o.Kind == Throttled || o.Kind == Transient }

// Conclusive reports whether the API is up and has answered the request.
func (o *Outcome) Conclusive() bool { return o.Kind == Succeeded || o.Kind == Rejected }
