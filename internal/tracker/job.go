package tracker

import (
	"bytes"
	"time"
)

// Waits after a failed job.
const (
	minWait = time.Second
	maxWait = time.Minute
)

// Seen is the result of a request: a state, or an error of the SID.
type Seen struct {
	SentAt time.Time
	// the profile, in a form that is equal for equal profiles; nil for an error
	State   []byte
	Status  string // of the profile
	Account string // of the profile
	Err     error
	Failure string // equal for equal errors; "" for a state
}

// Match is whether a state shows an event.
type Match int

// The results of Event.Match.
const (
	NotYet Match = iota
	Shown
	Never // the event is about another profile
)

// Event is the event of a callback that caused a poll.
type Event interface {
	Match(status, account string) Match
}

// Job is the work for one SID: to ask for its recorded state, if that is not known yet, and to
// handle a change.
type Job struct {
	SID     string
	IsKnown bool   // Base is the state handled last
	Base    []byte // the state handled last; nil: none
	Failure string // the error handled last
	Seen    *Seen
	Event   Event // the event that the state shows; nil: none
}

// IsChange reports whether the handler must be called.
func (j *Job) IsChange() bool {
	if j.Seen.Err != nil {
		return j.Seen.Failure != j.Failure
	}
	return !j.IsKnown || j.Base == nil || !bytes.Equal(j.Base, j.Seen.State)
}

// enqueue queues the next state of a SID if it is a change.
func (m *Machine) enqueue(e *entry) {
	job := m.job(e)
	if job.IsKnown && !job.IsChange() {
		m.handled(e, e.next)
		return
	}
	e.phase = queued
	if e.isUrgent {
		m.urgent.push(e)
	} else {
		m.jobs.push(e)
	}
}

func (m *Machine) job(e *entry) Job {
	return Job{SID: e.sid, IsKnown: e.isKnown, Base: e.base, Failure: e.failure, Seen: e.next, Event: e.shown}
}

// NextJob returns the next job. Done or Failed ends it.
func (m *Machine) NextJob() (job Job, ok bool) {
	e := m.urgent.pop()
	if e == nil {
		e = m.jobs.pop()
	}
	if e == nil {
		return Job{}, false
	}
	job = m.job(e)
	e.phase, e.shown, e.isUrgent = handling, nil, false
	return job, true
}

// Known sets the recorded state of a SID.
func (m *Machine) Known(job *Job, base []byte) {
	e := m.entries[key(job.SID)]
	e.base, e.isKnown = base, true
	job.Base, job.IsKnown = base, true
}

// Done ends a job that was handled, or that was no change.
func (m *Machine) Done(job *Job) {
	e := m.entries[key(job.SID)]
	m.handled(e, job.Seen)
	if e.next != nil {
		m.enqueue(e)
	}
	m.settle(e)
}

func (m *Machine) handled(e *entry, seen *Seen) {
	e.phase, e.failures = idle, 0
	if e.failure = seen.Failure; seen.Err == nil {
		e.base = seen.State
	}
	if e.next == seen {
		e.next, e.shown, e.isUrgent = nil, nil, false
	}
}

// Failed ends a job that has to be done again. It returns the wait before that.
func (m *Machine) Failed(job *Job, now time.Time) (wait time.Duration) {
	e := m.entries[key(job.SID)]
	wait = min(minWait<<min(e.failures, 16), maxWait)
	e.failures = min(e.failures, 254) + 1
	if e.shown == nil {
		m.keep(e, job.Event, e.next, now)
	}
	e.phase, e.retryAt = backoff, now.Add(wait)
	m.timers.add(e, e.retryAt)
	return wait
}
