package outage

import (
	"slices"
	"time"

	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/retry"
)

const (
	enough     = 8   // different SIDs in a row that fail for the first time: the API counts as down
	maxWaiting = 256 // calls that wait to be sent again, beside the places
	maxExcused = 3   // failures of one call that an outage excuses
	canaries   = 3   // SIDs that succeeded last, to probe with
	patience   = time.Minute
)

// machine is the rules of a batch. It knows neither HTTP nor goroutines, and has no lock, clock or
// timer: it is called with each event and the time at which it happens, and calls its actor.
//
// "Before" and "after" compare the numbers of events, not times.
type machine struct {
	maxAttempts int
	maxOutage   time.Duration
	places      int            // of calls in progress that do not wait
	backoff     *retry.Backoff // of the intervals between probes
	do          actor

	events    int // so far
	proven    int // when the newest request was sent that succeeded
	wentDown  int // when the API began to count as down; 0: it does not
	recovered int // when the last outage ended
	throttled int // the last 429 of a call that was throttled twice in a row

	pulled   int            // SIDs, without those that are yielded
	count    [spent + 1]int // calls by state
	fresh    []*Call        // to be sent for the first time, in order; those that were sent meanwhile are skipped
	row      []int          // requests after proven in which a call failed for the first time
	parked   []*Call        // in the order of their failures
	last     []string       // SIDs that succeeded last, the next canary in front
	inputEnd bool

	probe     *Call     // in progress
	probeAt   time.Time // the next one; zero: none is needed
	wasCanary bool      // the last probe
	failing   time.Time // the first failure or 429 since the last success; zero: none
	confirmed bool      // a probe has failed since the last success
	local     bool      // the last failure may be of the program's own configuration
	ended     bool
}

// actor does what a machine decides.
type actor interface {
	wake(c *Call)         // its state has changed
	hold()                // send only probes
	resume()              // send all
	let(c *Call)          // send this one as the probe
	ask(sid string) *Call // fetch it once more, as the probe; the result is dropped
	report(begins bool)   // an outage begins or ends
	end()                 // the batch: MaxOutage is over
}

// state is what a call waits for.
type state int

const (
	coming    state = iota // it is pulled, and its call has not begun
	ready                  // to be sent
	inFlight               // its response
	parked                 // it failed, and it is not known whether by itself
	scheduled              // its turn: it failed by itself, or is throttled
	spent                  // nothing: its result is known
)

// Call is one SID of a batch, or a canary.
type Call struct {
	Ticket limiter.Ticket // in the queue of the batch
	Retry  *retry.Call    // its waits

	guard    *Guard
	sid      string
	canary   bool
	reauthed bool          // it may not be signed once more after a 401
	changed  chan struct{} // closed at the next change of state; nil: nobody waits

	state    state
	sent     int // event of its last request; 0: it is fresh
	failed   int // event of its last failure
	failures int // of its own
	excused  int
	due      time.Time
	hopeless bool // it asks for a longer wait than the batch has
}

func (m *machine) isDown() bool { return m.wentDown > 0 }

// isInDoubt reports whether some call waits for the success of another.
func (m *machine) isInDoubt() bool { return m.count[parked] > 0 || m.throttled > m.proven }

// isHolding reports whether the batch waits for the API.
func (m *machine) isHolding() bool { return m.isDown() || m.confirmed }

// mayPull reports whether another SID is wanted. While the API is down, that is one to probe with.
func (m *machine) mayPull() bool {
	waiting := m.count[parked] + m.count[scheduled]
	if m.isDown() && m.count[coming]+len(m.unsent()) > 0 {
		return false
	}
	return !m.ended && m.pulled < m.places+maxWaiting && (m.isDown() || m.pulled-waiting < m.places)
}

// unsent returns the calls that were never sent.
func (m *machine) unsent() []*Call {
	for len(m.fresh) > 0 && (m.fresh[0].sent > 0 || m.fresh[0].state != ready) {
		m.fresh[0] = nil
		m.fresh = m.fresh[1:]
	}
	return m.fresh
}

func (m *machine) to(c *Call, s state) {
	if !c.canary {
		m.count[c.state]--
		m.count[s]++
	}
	if c.state == parked {
		i := slices.Index(m.parked, c)
		m.parked = slices.Delete(m.parked, i, i+1)
	}
	if c.state = s; s == parked {
		m.parked = append(m.parked, c)
	}
	m.do.wake(c)
}

// pull is called for each SID, before its call begins.
func (m *machine) pull() {
	m.pulled++
	m.count[coming]++
}

// begin is called when a call begins.
func (m *machine) begin(c *Call, now time.Time) {
	if !c.canary {
		m.fresh = append(m.fresh, c)
	}
	m.to(c, ready)
	m.settle(now)
}

// send is called before each request.
func (m *machine) send(c *Call) {
	m.events++
	c.sent = m.events
	m.to(c, inFlight)
}

// succeed is called when the API has answered a request, with a profile or with a final verdict.
func (m *machine) succeed(c *Call, now time.Time) {
	m.events++
	m.failing = time.Time{}
	m.backoff.Reset()
	if c.sent > m.proven {
		m.proven = c.sent
		m.remember(c)
	}
	m.landed(c, now)
	m.to(c, spent)
	switch {
	case c.sent > m.wentDown:
		m.recover()
	case m.isDown():
		m.probeAt = now // a request that was sent before succeeds: it may be over
	}
	m.settle(now)
}

// recover ends an outage, and the doubt about what has failed before.
func (m *machine) recover() {
	if m.confirmed {
		m.confirmed = false
		m.do.report(false)
	}
	m.row = slices.DeleteFunc(m.row, func(sent int) bool { return sent < m.proven })
	m.probe, m.probeAt, m.wasCanary = nil, time.Time{}, false
	if m.isDown() {
		m.wentDown, m.recovered, m.row = 0, m.events, nil
		m.do.resume()
	}
	for i := 0; i < len(m.parked) && (m.parked[i].failed < m.proven || m.parked[i].sent < m.recovered); {
		if c := m.parked[i]; !m.judge(c) {
			i++
		}
	}
}

func (m *machine) remember(c *Call) {
	if c.canary {
		return
	}
	if m.last = append(m.last, c.sid); len(m.last) > canaries {
		m.last = slices.Delete(m.last, 0, 1)
	}
}

// fail is called when a request has got no response from the API, or one that asks for another
// attempt. The next one is due after wait.
func (m *machine) fail(c *Call, wait time.Duration, local bool, now time.Time) {
	m.events++
	m.local = local
	m.since(now)
	if !c.canary && c.failed == 0 && c.sent > m.proven {
		m.row = append(m.row, c.sent)
	}
	c.failed, c.due, c.hopeless = m.events, now.Add(wait), wait > max(m.maxOutage, patience)
	wasProbe := m.landed(c, now)
	if !m.isDown() && (len(m.row) >= enough || c.canary && c.sent > m.proven) {
		m.goDown(now)
	}
	if c.canary {
		m.to(c, spent)
	} else {
		m.to(c, parked)
	}
	if !m.isDown() {
		m.judge(c)
	}
	if wasProbe && c.sent > m.proven {
		m.probeFailed(now)
	}
	m.settle(now)
}

// goDown begins an outage.
func (m *machine) goDown(now time.Time) {
	m.wentDown = m.events
	m.backoff.Reset()
	m.probeAt = now.Add(m.backoff.Next())
	m.do.hold()
	if m.probe != nil {
		m.do.let(m.probe)
	}
}

// judge decides about a parked call, and reports whether it is known whose fault its last failure was.
func (m *machine) judge(c *Call) bool {
	switch {
	case c.canary:
		return false
	case c.sent < m.recovered && c.excused < maxExcused:
		c.excused++
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
	return c.state != parked || m.isDown() && c.excused < maxExcused || c.failures+1 < m.maxAttempts && !c.hopeless
}

// throttle is called for a 429.
func (m *machine) throttle(c *Call, now time.Time) {
	m.events++
	m.since(now)
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
	if now.Sub(m.failing) >= max(m.maxOutage, patience) {
		m.finish()
	}
	m.settle(now)
}

// postpone has a throttled call wait on its own.
func (m *machine) postpone(c *Call, until time.Time) {
	m.throttled = m.events
	if c.due = until; c.state == ready {
		m.to(c, scheduled)
	}
}

// arrive is called when a scheduled call is due.
func (m *machine) arrive(c *Call, now time.Time) {
	m.to(c, ready)
	m.settle(now)
}

// again is called for a request that is repeated at once.
func (m *machine) again(c *Call) { m.to(c, ready) }

// done is called when a call has ended, however it did.
func (m *machine) done(c *Call, now time.Time) {
	m.landed(c, now)
	if c.state != spent {
		m.to(c, spent)
	}
	if m.count[spent] >= m.pulled {
		m.failing = time.Time{} // nothing is asked from now on
	}
	m.settle(now)
}

// yielded is called when a result is delivered.
func (m *machine) yielded() {
	m.pulled--
	m.count[spent]--
}

func (m *machine) since(now time.Time) {
	if m.failing.IsZero() {
		m.failing = now
	}
}

// landed reports whether c was the probe, and ends it.
func (m *machine) landed(c *Call, now time.Time) bool {
	if m.probe != c {
		return false
	}
	m.probe = nil
	m.probeAt = now.Add(m.backoff.Next())
	return true
}

// probeFailed confirms an outage, and gives up when it has taken too long.
func (m *machine) probeFailed(now time.Time) {
	if !m.confirmed {
		m.confirmed = true
		m.do.report(true)
	}
	at := m.deadline()
	switch {
	case at.IsZero():
	case now.Before(at):
		if m.probeAt.After(at) {
			m.probeAt = at
		}
	case m.isDown():
		m.finish()
	default:
		for _, c := range slices.Clone(m.parked) {
			m.to(c, spent)
		}
	}
}

// deadline returns when to give up; zero: not at all, since too few calls fail to tell.
func (m *machine) deadline() time.Time {
	limit := m.maxOutage
	if m.proven == 0 && (!m.isDown() || m.local) {
		limit = min(limit, patience)
	}
	if m.failing.IsZero() || !m.isDown() && (m.proven > 0 || !m.inputEnd) {
		return time.Time{}
	}
	return m.failing.Add(limit)
}

func (m *machine) finish() {
	if !m.ended {
		m.ended = true
		m.do.end()
	}
}

// settle starts a probe when it is due. It is called after each event, and at the time of alarm.
func (m *machine) settle(now time.Time) {
	switch {
	case m.ended || !m.isDown() && !m.isInDoubt():
		m.probeAt = time.Time{}
		return
	case m.probe != nil || m.pulled == m.count[spent]:
		return
	case m.probeAt.IsZero():
		m.probeAt = now.Add(m.backoff.Next())
	}
	if !now.Before(m.probeAt) {
		m.startProbe(now)
	}
}

// startProbe asks a canary and a call that was never sent, in turn; without the latter, the call that
// has not been sent for longest.
func (m *machine) startProbe(now time.Time) {
	var next *Call
	if unsent := m.unsent(); len(unsent) > 0 {
		next = unsent[0]
	} else if len(m.parked) > 0 {
		next = m.parked[0]
	}
	switch {
	case len(m.last) > 0 && (!m.wasCanary || !m.isDown() || next == nil):
		m.wasCanary = true
		sid := m.last[0]
		m.last = append(m.last[1:], sid)
		m.probe = m.do.ask(sid)
	case next == nil:
	case !m.isDown() && now.Before(m.turn(next)):
		m.probeAt = m.turn(next)
	default:
		m.wasCanary = false
		m.probe = next
		if next.state == parked {
			m.to(next, ready)
		}
		m.do.let(next)
	}
}

// turn returns when a parked call is sent again that nobody else can decide about.
func (m *machine) turn(c *Call) time.Time {
	if at := m.deadline(); !at.IsZero() && at.Before(c.due) {
		return at
	}
	return c.due
}

// alarm returns when settle is to be called; zero: by the next event.
func (m *machine) alarm() time.Time {
	if m.probe != nil || m.ended || m.pulled == m.count[spent] || len(m.last)+len(m.parked)+len(m.unsent()) == 0 {
		return time.Time{}
	}
	return m.probeAt
}
