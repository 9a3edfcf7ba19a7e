// Package attempt describes how one request ended, in the terms that decide what happens next.
// It is the vocabulary that the packages limiter, retry and outage share, so that none of them has
// to know HTTP or this module's error types.
package attempt

import "time"

// Kind is what an outcome means for the call that made the request, and for others.
type Kind int

// The kinds.
const (
	Succeeded    Kind = iota // a 2xx that is what was asked for
	Rejected                 // Twilio's final verdict on the request: 400, 404, its 2xx that cannot be decoded
	Final                    // final for this call, and no evidence about the API: Twilio's 403, an error that is not retryable
	Throttled                // 429
	Transient                // another attempt may end better: 5xx, no response, a timeout, a truncated body
	Gateway                  // the response of a proxy, gateway or firewall; final for a single call
	Unauthorized             // 401
	Fatal                    // every other call would end the same way: a bad certificate, an Auth that fails for good
)

// Outcome is how one request ended.
type Outcome struct {
	Kind       Kind
	Local      bool          // the cause is probably the program's own configuration: an unknown host, a gateway's 4xx
	RetryAfter time.Duration // as the server asked; 0: it did not
	Took       time.Duration
	Err        error // nil when it succeeded
}

// Retryable reports whether another attempt may end better.
func (o *Outcome) Retryable() bool { return o.Kind == Throttled || o.Kind == Transient }

// Conclusive reports whether the API is up and has answered the request.
func (o *Outcome) Conclusive() bool { return o.Kind == Succeeded || o.Kind == Rejected }
