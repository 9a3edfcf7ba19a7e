package outage

import (
	"math"
	"slices"
	"time"

	"github.com/seed07fc1495/trusthub/internal/retry"
)

// The constants come from a simulation, see docs/BATCH.md.
const (
	enough      = 8   // SIDs in a row that fail for the first time: the API counts as down
	maxWaiting  = 256 // calls that wait for another attempt, beside the places
	maxCanaries = 3   // SIDs that succeeded last, used as probes
	// the limit when no request was ever answered and few calls fail or the cause seems local
	unansweredWait = time.Minute
)

// Forever is the MaxOutage of a batch that waits for the end of any outage, whatever its cause.
const Forever time.Duration = math.MaxInt64

// machine decides for one batch. It has no lock, clock or timer, and does not depend on HTTP or
// goroutines. It is called with each event and its time, and calls its actor. It compares numbers
// of events, not times, to find out what came before.
type machine struct {
	maxAttempts int
	maxOutage   time.Duration
	places      int            // for calls in progress that do not wait
	backoff     *retry.Backoff // between probes
	do          actor

	events    int   // number of events
	proven    int   // the newest request that succeeded
	wentDown  int   // event from which the API counts as down; 0: it is up
	recovered int   // end of the last outage
	throttled int   // the last 429 after which a call waits on its own
	row       []int // requests after proven in which a call failed for the first time

	pulled     int            // SIDs that are pulled and not yielded
	inputEnded bool           // no more SIDs will be pulled
	count      [spent + 1]int // calls by state
	// list of the calls not sent yet; behind the first one there may be others
	fresh    *Call
	last     *Call    // end of that list
	parked   []*Call  // in the order of their failures
	resent   []*Call  // calls that are ready and were sent before
	canaries []string // SIDs that succeeded last, the next one to use first
	suspects []string // canaries that have failed since the last success

	probe     *Call     // the probe in progress
	probeAt   time.Time // when the next probe is due; zero: none is needed
	wasCanary bool      // the last probe was a canary
	failing   time.Time // the first failure or 429 since the last success; zero: none
	confirmed bool      // a probe has failed since the last success
	local     bool      // the program's own configuration is probably the cause of the last failure
	ended     bool
}

// actor carries out the decisions of a machine.
type actor interface {
	wake(c *Call)         // the state of c has changed
	hold()                // admit only the probe
	resume()              // admit all
	admit(c *Call)        // admit c as the probe
	ask(sid string) *Call // fetch the SID as the probe, and drop the result
	report(begins bool)   // an outage begins or ends
	end()                 // end the batch: the outage takes too long
}

func (m *machine) isDown() bool { return m.wentDown > 0 }

// isInDoubt reports whether a call waits for the success of another one.
func (m *machine) isInDoubt() bool { return m.count[parked] > 0 || m.throttled > m.proven }

// mayPull reports whether another SID is wanted. While the API is down, it is wanted only as a
// probe.
func (m *machine) mayPull() bool {
	waiting := m.count[parked] + m.count[scheduled]
	switch {
	case m.ended, m.pulled >= m.places+maxWaiting:
		return false
	case m.isDown():
		return m.count[coming] == 0 && m.unsent() == nil
	}
	return m.pulled-waiting < m.places
}

// unsent returns the first call that was never sent, or nil.
func (m *machine) unsent() *Call {
	for m.fresh != nil && (m.fresh.sent > 0 || m.fresh.state != ready) {
		m.fresh, m.fresh.next = m.fresh.next, nil // so that a waiting call keeps no others in memory
	}
	return m.fresh
}

// to changes the state of a call.
func (m *machine) to(c *Call, s state) {
	if !c.canary {
		m.count[c.state]--
		m.count[s]++
	}
	if list := m.list(c); list != nil {
		i := slices.Index(*list, c)
		*list = slices.Delete(*list, i, i+1)
	}
	c.state = s
	if list := m.list(c); list != nil {
		*list = append(*list, c)
	}
	m.do.wake(c)
}

// list returns the list that c is in; nil: none.
func (m *machine) list(c *Call) *[]*Call {
	switch {
	case c.state == parked:
		return &m.parked
	case c.state == ready && c.sent > 0:
		return &m.resent
	}
	return nil
}

// pull is called for each SID, before its call begins.
func (m *machine) pull() {
	m.pulled++
	m.count[coming]++
}

// endInput is called when all SIDs are pulled.
func (m *machine) endInput(now time.Time) {
	m.inputEnded = true
	if !m.isDown() && m.probe == nil && len(m.canaries) == 0 && !m.probeAt.IsZero() {
		m.probeAt = now // the deadline of few that fail may be earlier now
	}
	m.settle(now)
}

// begin is called when a call begins.
func (m *machine) begin(c *Call, now time.Time) {
	m.to(c, ready)
	if m.unsent() == nil {
		m.fresh = c
	} else {
		m.last.next = c
	}
	m.last = c
	m.settle(now)
}

// send is called before each request.
func (m *machine) send(c *Call) {
	m.events++
	m.to(c, inFlight)
	c.sent = m.events
	m.unsent() // removes it from the list
}

// succeed is called when the API has given a final response to a request.
func (m *machine) succeed(c *Call, now time.Time) {
	m.events++
	m.failing = time.Time{}
	m.backoff.Reset()
	m.canaries = slices.DeleteFunc(m.canaries, func(sid string) bool { return sid != c.sid && slices.Contains(m.suspects, sid) })
	m.suspects = nil
	if m.proven = max(m.proven, c.sent); !c.canary {
		m.canaries = append(m.canaries[max(len(m.canaries)-maxCanaries+1, 0):], c.sid)
	}
	m.landed(c, now)
	m.to(c, spent)
	switch {
	case c.sent > m.wentDown:
		m.recover()
	case m.isDown():
		m.probeAt = now // a request from before succeeds: the outage may be over
	}
	m.settle(now)
}

// recover ends an outage. Failures from before it do not count.
func (m *machine) recover() {
	if m.confirmed {
		m.confirmed = false
		m.do.report(false)
	}
	m.row = slices.DeleteFunc(m.row, func(sent int) bool { return sent < m.proven })
	m.probe, m.probeAt, m.wasCanary = nil, time.Time{}, false
	if m.isDown() {
		m.wentDown, m.recovered = 0, m.events
		m.do.resume()
	}
	for i := 0; i < len(m.parked) && (m.parked[i].failed < m.proven || m.parked[i].sent < m.recovered); {
		if c := m.parked[i]; !m.judge(c) {
			i++
		}
	}
}

// fail is called for a request without a response of the API, or with one that may be better next
// time. The next attempt is due after wait.
func (m *machine) fail(c *Call, wait time.Duration, local bool, now time.Time) {
	m.local = local
	m.noSuccess(now)
	if !c.canary && c.failed == 0 && c.sent > m.proven {
		m.row = append(m.row, c.sent)
	}
	c.failed, c.due, c.hopeless = m.events, now.Add(wait), wait > max(m.maxOutage, unansweredWait)
	wasProbe := m.landed(c, now)
	if !m.isDown() && (len(m.row) >= enough || c.canary && c.sent > m.proven) {
		m.goDown(now)
	}
	if c.canary {
		m.suspects = append(m.suspects, c.sid)
		m.to(c, spent)
	} else if m.to(c, parked); !m.isDown() {
		m.judge(c)
	}
	if wasProbe && c.sent > m.proven {
		m.probeFailed(now)
	}
	m.settle(now)
}

// goDown starts an outage.
func (m *machine) goDown(now time.Time) {
	m.wentDown = m.events
	m.backoff.Reset()
	m.probeAt = now.Add(m.backoff.Next())
	m.do.hold()
	if m.probe != nil {
		m.do.admit(m.probe)
	}
}

// judge decides about a parked call. It reports whether the cause of its last failure is known.
func (m *machine) judge(c *Call) bool {
	switch {
	case c.sent < m.recovered:
		m.to(c, ready)
	case c.failed >= m.proven:
		return false
	default:
		if c.failures++; c.failures >= m.maxAttempts || c.hopeless {
			m.to(c, spent)
		} else {
			m.to(c, scheduled)
		}
	}
	return true
}

// sendsAgain reports whether another attempt of c is certain, unless the batch ends.
func (m *machine) sendsAgain(c *Call) bool {
	return c.state != parked || m.isDown() || c.failures+1 < m.maxAttempts && !c.hopeless
}

// reject is called for a final failure that is no verdict about the API, such as a 403.
func (m *machine) reject(c *Call, now time.Time) {
	if m.isDown() {
		m.noSuccess(now)
	} else {
		m.events++
	}
	wasProbe := m.landed(c, now)
	if m.to(c, spent); c.canary {
		m.canaries = slices.DeleteFunc(m.canaries, func(sid string) bool { return sid == c.sid })
	}
	if wasProbe && m.isDown() {
		m.probeFailed(now)
	}
	m.settle(now)
}

// throttle is called for a 429, which is no verdict about the API.
func (m *machine) throttle(c *Call, now time.Time) {
	m.noSuccess(now)
	m.landed(c, now)
	switch {
	case c.canary:
		m.to(c, spent)
	case m.isDown():
		c.failed = m.events
		m.to(c, parked)
	default:
		m.to(c, ready)
	}
	if now.Sub(m.failing) >= max(m.maxOutage, unansweredWait) {
		m.do.end()
	}
	m.settle(now)
}

// postpone makes a throttled call wait on its own.
func (m *machine) postpone(c *Call, until time.Time) {
	m.throttled = m.events
	if c.due = until; c.state == ready {
		m.to(c, scheduled)
	}
}

// done is called when a call has ended.
func (m *machine) done(c *Call, now time.Time) {
	m.landed(c, now)
	m.to(c, spent)
	if m.count[spent] >= m.pulled {
		m.failing = time.Time{} // nothing is requested any more
	}
	m.settle(now)
}

// inProgress returns the number of SIDs without a result.
func (m *machine) inProgress() int { return m.pulled - m.count[spent] }

// yielded is called when the loop is done with a result.
func (m *machine) yielded() {
	m.pulled--
	m.count[spent]--
}

func (m *machine) noSuccess(now time.Time) {
	if m.events++; m.failing.IsZero() {
		m.failing = now
	}
}

// landed ends the probe, and reports whether c was it.
func (m *machine) landed(c *Call, now time.Time) bool {
	if m.probe != c {
		return false
	}
	m.probe = nil
	m.probeAt = now.Add(m.backoff.Next())
	return true
}

// probeFailed confirms an outage, and ends the batch when the outage takes too long.
func (m *machine) probeFailed(now time.Time) {
	if !m.confirmed {
		m.confirmed = true
		m.do.report(true)
	}
	at := m.deadline()
	switch {
	case at.IsZero() || now.Before(at):
		m.probeAt = earliest(m.probeAt, at)
	case m.isDown():
		m.do.end()
	default: // too few for an outage
		for _, c := range slices.Clone(m.parked) {
			m.to(c, spent)
		}
	}
}

// deadline returns when the batch gives up, or when the few calls that have failed end while the
// API counts as up; zero: never, or a canary decides.
func (m *machine) deadline() time.Time {
	limit := m.maxOutage
	if m.proven == 0 && (m.local || !m.isDown() && m.inputEnded) {
		limit = min(limit, unansweredWait)
	}
	if m.maxOutage == Forever || m.failing.IsZero() || !m.isDown() && len(m.canaries) > 0 {
		return time.Time{}
	}
	return m.failing.Add(limit)
}

// settle starts a probe when one is due. It is called after each event, and at probeAt.
func (m *machine) settle(now time.Time) {
	switch {
	case m.ended, !m.isDown() && !m.isInDoubt(), m.pulled == m.count[spent]:
		m.probeAt = time.Time{}
	case m.probe != nil:
	case m.probeAt.IsZero():
		m.probeAt = now.Add(m.backoff.Next())
	case !now.Before(m.probeAt):
		m.startProbe(now)
	}
}

// startProbe probes with a canary and with a call that was never sent, in turn. Without the latter
// it uses the call that was parked first, which has to be due while the API counts as up. Without
// that, it uses a call that waits to be sent again.
func (m *machine) startProbe(now time.Time) {
	next := m.unsent()
	if next == nil && len(m.parked) > 0 {
		next = m.parked[0]
	} else if next == nil && m.isDown() && len(m.resent) > 0 {
		next = m.resent[0]
	}
	switch {
	case len(m.canaries) > 0 && (!m.wasCanary || !m.isDown() || next == nil):
		m.wasCanary = true
		sid := m.canaries[0]
		m.canaries = append(m.canaries[1:], sid)
		m.probe = m.do.ask(sid)
	case next == nil:
		m.probeAt = now.Add(m.backoff.Next()) // there may be one then
	case !m.isDown() && now.Before(earliest(next.due, m.deadline())):
		m.probeAt = earliest(next.due, m.deadline())
	default:
		m.wasCanary = false
		m.probe = next
		if next.state == parked {
			m.to(next, ready)
		}
		m.do.admit(next)
	}
}

// earliest returns the earlier of two times. b may be zero for none.
func earliest(a, b time.Time) time.Time {
	if !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
