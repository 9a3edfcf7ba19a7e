package tracker

import (
	"errors"
	"slices"
	"time"
)

const (
	maxUntracked = 1000 // SIDs that no sweep has yielded
	maxEvents    = 4    // of a SID that no state has shown yet
)

// ErrFull means that too many SIDs wait that no sweep has yielded.
var ErrFull = errors.New("1000 profiles that are not tracked wait already")

// Machine decides for one tracker. It has no lock, clock or I/O. The zero Machine tracks nothing.
type Machine struct {
	entries   map[string]*entry
	sweep     int      // number of the current sweep
	input     []*entry // SIDs of the sweep that are not fetched yet
	sweeping  int      // requests of the sweep in flight
	polls     fifo
	urgent    fifo // jobs of polls
	jobs      fifo
	timers    timers
	untracked int
	pending   int // SIDs with work to do
}

// entry is the state of one SID.
type entry struct {
	sid     string
	sweep   int    // the last sweep that yielded it; 0: it is not tracked
	base    []byte // the state handled last
	failure string // the error handled last, unless a profile was handled after it
	next    *Seen  // the state to handle next

	events   []Event // that no state has shown yet, in the order of their polls
	shown    Event   // the event that next shows
	wantedAt time.Time
	followAt time.Time // when the event is polled for again
	retryAt  time.Time

	phase     phase
	failures  uint8 // failed jobs in a row
	followUps uint8 // polls for the event so far
	isKnown   bool
	inFlight  bool // a request is in flight
	isPoll    bool // the request in flight is a poll
	isUrgent  bool // next comes from a poll
	isPending bool
}

// phase is the place of the next state.
type phase uint8

const (
	idle     phase = iota // no state to handle
	queued                // queued as a job
	handling              // the job is running
	backoff               // the job has failed and waits
)

// followUp returns the time between a poll that does not show an event and the next poll: 2, 10 and
// 60 s.
func followUp(n uint8) (after time.Duration, ok bool) {
	switch n {
	case 0:
		return 2 * time.Second, true
	case 1:
		return 8 * time.Second, true
	case 2:
		return 50 * time.Second, true
	}
	return 0, false
}

// Tracked returns the number of SIDs that the sweeps have yielded.
func (m *Machine) Tracked() int { return len(m.entries) - m.untracked }

// Pending returns the number of SIDs with work to do beside the sweep.
func (m *Machine) Pending() int { return m.pending }

// Backlog returns the number of queued jobs.
func (m *Machine) Backlog() int { return m.urgent.len() + m.jobs.len() }

// HasPolls reports whether a poll is queued.
func (m *Machine) HasPolls() bool { return m.polls.len() > 0 }

// BeginSweep starts another sweep, without SIDs.
func (m *Machine) BeginSweep() {
	m.sweep++
	m.input = nil
}

// Add adds a SID to the sweep.
func (m *Machine) Add(sid string) {
	e := m.entries[key(sid)]
	if e == nil {
		e = m.insert(sid)
	}
	switch e.sweep {
	case m.sweep: // a duplicate
		return
	case 0:
		m.untracked--
	}
	e.sid, e.sweep = sid, m.sweep // as the program spells it
	m.input = append(m.input, e)
}

// NextOfSweep returns the next SID to fetch. Those that a poll fetches are left out.
func (m *Machine) NextOfSweep() (sid string, ok bool) {
	for len(m.input) > 0 {
		e := m.input[0]
		if m.input = m.input[1:]; !e.inFlight && e.wantedAt.IsZero() {
			e.inFlight = true
			m.sweeping++
			return e.sid, true
		}
	}
	return "", false
}

// IsSwept reports whether every SID of the sweep was fetched, or is fetched by a poll.
func (m *Machine) IsSwept() bool { return len(m.input) == 0 && m.sweeping == 0 }

// EndSweep ends a complete sweep. SIDs that it did not yield are not tracked any more.
func (m *Machine) EndSweep() {
	for _, e := range m.entries {
		if e.sweep != m.sweep && e.sweep != 0 {
			e.sweep = 0
			m.untracked++
			m.settle(e)
		}
	}
}

// Poll queues a SID. The event may be nil.
func (m *Machine) Poll(sid string, event Event, now time.Time) error {
	e := m.entries[key(sid)]
	switch {
	case e == nil && m.untracked >= maxUntracked:
		return ErrFull
	case e == nil:
		e = m.insert(sid)
	}
	if event != nil {
		e.events = append(e.events[max(len(e.events)-maxEvents+1, 0):], event)
		e.followUps, e.followAt = 0, time.Time{}
	}
	m.want(e, now)
	return nil
}

func (m *Machine) want(e *entry, now time.Time) {
	if e.wantedAt.IsZero() && !e.inFlight {
		m.polls.push(e)
	}
	e.wantedAt = now
	m.settle(e)
}

// NextPoll returns the next SID to fetch ahead of the sweep.
func (m *Machine) NextPoll() (sid string, ok bool) {
	e := m.polls.pop()
	if e == nil {
		return "", false
	}
	e.wantedAt, e.inFlight, e.isPoll = time.Time{}, true, true
	return e.sid, true
}

// Return takes back a SID whose request has ended without a verdict.
func (m *Machine) Return(sid string, now time.Time) {
	e := m.entries[key(sid)]
	isPoll := m.arrive(e)
	if isPoll || !e.wantedAt.IsZero() {
		e.wantedAt = time.Time{}
		m.want(e, now)
	} else {
		m.input = append(m.input, e)
	}
}

// arrive ends the request for a SID. It reports whether it was a poll.
func (m *Machine) arrive(e *entry) (isPoll bool) {
	isPoll = e.isPoll
	if !isPoll {
		m.sweeping--
	}
	e.inFlight, e.isPoll = false, false
	return isPoll
}

// Land takes the result of a request.
func (m *Machine) Land(sid string, seen Seen, now time.Time) {
	e := m.entries[key(sid)]
	isPoll := m.arrive(e)
	if !e.wantedAt.IsZero() {
		if isPoll = !seen.SentAt.Before(e.wantedAt); isPoll {
			e.wantedAt = time.Time{}
		} else {
			m.polls.push(e)
		}
	}
	m.matchEvents(e, &seen, isPoll, now)
	e.next, e.isUrgent = &seen, e.isUrgent || isPoll
	if e.phase == idle {
		m.enqueue(e)
	}
	m.settle(e)
}

// keep keeps an event that was to be handled with an earlier state, if the next one shows it, too.
// If that is an error, the event waits for another state.
func (m *Machine) keep(e *entry, event Event, next *Seen, now time.Time) {
	e.shown = nil
	switch {
	case event == nil:
	case next.Err != nil:
		e.events, e.followUps = append([]Event{event}, e.events...), 0
		m.follow(e, now)
	case event.Match(next.Status, next.Account) == Shown:
		e.shown = event
	}
}

// follow plans the next poll for the events of a SID, or drops them after the last one.
func (m *Machine) follow(e *entry, now time.Time) {
	after, more := followUp(e.followUps)
	if !more {
		e.events = nil
		return
	}
	e.followUps++
	e.followAt = now.Add(after)
	m.timers.add(e, e.followAt)
}

// matchEvents keeps, uses or drops the events of a SID.
func (m *Machine) matchEvents(e *entry, seen *Seen, isPoll bool, now time.Time) {
	m.keep(e, e.shown, seen, now)
	if seen.Err == nil {
		e.events = slices.DeleteFunc(e.events, func(event Event) bool {
			match := event.Match(seen.Status, seen.Account)
			if match == Shown {
				e.shown = event
			}
			return match != NotYet
		})
	}
	switch {
	case len(e.events) == 0:
		e.events, e.followAt = nil, time.Time{}
	case isPoll:
		m.follow(e, now)
	}
}

// Due returns the time of the next Tick; zero: none.
func (m *Machine) Due() time.Time { return m.timers.first() }

// Tick does the work that is due.
func (m *Machine) Tick(now time.Time) {
	for {
		e, at := m.timers.next(now)
		switch {
		case e == nil:
			return
		case e.phase == backoff && at.Equal(e.retryAt):
			m.enqueue(e)
		case at.Equal(e.followAt):
			e.followAt = time.Time{}
			m.want(e, now)
		}
		m.settle(e)
	}
}

func (m *Machine) insert(sid string) *entry {
	if m.entries == nil {
		m.entries = make(map[string]*entry)
	}
	e := &entry{sid: sid}
	m.entries[key(sid)] = e
	m.untracked++
	return e
}

// settle updates the number of SIDs with work to do. It forgets a SID that is not tracked and has
// none.
func (m *Machine) settle(e *entry) {
	isPending := e.phase != idle || !e.wantedAt.IsZero() || e.isPoll || len(e.events) > 0
	if isPending != e.isPending {
		if e.isPending = isPending; isPending {
			m.pending++
		} else {
			m.pending--
		}
	}
	if e.sweep == 0 && !isPending && !e.inFlight && m.entries[key(e.sid)] == e {
		delete(m.entries, key(e.sid))
		m.untracked--
	}
}
