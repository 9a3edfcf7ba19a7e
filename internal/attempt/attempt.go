// Package attempt describes how one request ended, in the terms that decide what happens next. It is the vocabulary that packages
// limiter, retry and outage share, so that none of them has to know HTTP or this module's error types.
package attempt

import "time"

// Kind is what an outcome means for the call that made the request, and for others.
type Kind int

// The kinds.
const (
	Succeeded    Kind = iota // a 2xx that arrived whole
	Rejected                 // another attempt would end the same way: 404, a malformed answer
	Throttled                // 429
	Transient                // another attempt may end better: 5xx, no answer, a time-out, a body that broke off
	Unauthorized             // 401
	Fatal                    // every other call would end the same way: a bad certificate, an Auth that fails for good
)

// Outcome is how one request ended.
type Outcome struct {
	Kind       Kind
	Answered   bool          // by the server, if only in part
	RetryAfter time.Duration // as the server asked; 0: it did not
	SentAt     time.Time
	Took       time.Duration
	Err        error // nil when it succeeded
}

// Retryable reports whether another attempt may end better.
func (o *Outcome) Retryable() bool { return o.Kind == Throttled || o.Kind == Transient }

// Conclusive reports whether the server is up and has had its say.
func (o *Outcome) Conclusive() bool { return o.Answered && !o.Retryable() }
