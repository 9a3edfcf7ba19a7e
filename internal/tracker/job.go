package tracker

import (
	"bytes"
	"time"
)

// After a job that failed.
const (
	minWait = time.Second
	maxWait = time.Minute
)

// Seen is what a request has found out: a state, or an error of the SID.
type Seen struct {
	SentAt time.Time
	// the profile, in a form that is equal for equal profiles; nil when there is an error
	State   []byte
	Status  string // of the profile
	Account string // of the profile
	Err     error
	Failure string // equal for equal errors; "" when there is none
}

// Match says whether a state shows an event.
type Match int

// The matches.
const (
	NotYet Match = iota
	Shown
	Never // it is about another profile
)

// Event is what came with a poll.
type Event interface {
	Match(status, account string) Match
}

// Job is what is to be done for one SID: to ask what is known of it if that is not known yet, and
// to hand over what has changed.
type Job struct {
	SID     string
	IsKnown bool   // whether Base is what was handled last
	Base    []byte // nil: nothing
	Failure string // the error that was handled last
	Seen    *Seen
	Event   Event // that the state shows; nil: none
}

// IsChange reports whether there is something to hand over.
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

// NextJob returns the next job, which is to be ended by Done or Failed.
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

// Known takes what the program has recorded of a SID.
func (m *Machine) Known(job *Job, base []byte) {
	e := m.entries[key(job.SID)]
	e.base, e.isKnown = base, true
	job.Base, job.IsKnown = base, true
}

// Done ends a job whose state was handled, or is none to handle.
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

// Failed ends a job that is to be done again. It returns the wait before that.
func (m *Machine) Failed(job *Job, now time.Time) (wait time.Duration) {
	e := m.entries[key(job.SID)]
	wait = min(minWait<<min(e.failures, 16), maxWait)
	e.failures = min(e.failures, 254) + 1
	if e.shown == nil && job.Event != nil && job.Event.Match(e.next.Status, e.next.Account) == Shown {
		e.shown = job.Event
	}
	e.phase, e.retryAt = backoff, now.Add(wait)
	m.timers.add(e, e.retryAt)
	return wait
}
