package limiter

import (
	"container/heap"
	"slices"
	"time"
)

// queue decides which request is sent next, and when. It has no lock and no clock.
//
// Tickets wait in one order of arrival. Each scope has a heap of its tickets. The next ticket is
// the oldest among the first ones of the scopes that may admit one.
type queue struct {
	client  Scope
	waiting []*Scope // scopes with tickets
	arrived int      // number of tickets so far

	pausedTo time.Time // no start before
	cause    error     // the 429 that began the pause, if it had a Retry-After
	probing  bool      // after the pause a single request is sent as a probe
	probe    *Ticket   // the request that is the probe

	maxSlotPause time.Duration // bounds a pause for which the server named no time
	successes    int
	lastSuccess  time.Time
	throttled    int // 429s, except those of isolated tickets
}

// maxPause bounds a Retry-After, so that a wrong one does not disable a client for good.
const maxPause = time.Hour

// isolation is a number of successes for each 429 of the other tickets. From this ratio on, a
// ticket that keeps getting 429s counts as an isolated problem.
const isolation = 20

// scope returns the scope in which t waits.
func (q *queue) scope(t *Ticket) *Scope {
	if t.Batch != nil {
		return t.Batch
	}
	return &q.client
}

func (q *queue) add(t *Ticket) {
	s := q.scope(t)
	if len(s.queue) == 0 {
		q.waiting = append(q.waiting, s)
	}
	t.queued = true
	heap.Push(&s.queue, t)
}

func (q *queue) remove(t *Ticket) {
	s := q.scope(t)
	t.queued = false
	heap.Remove(&s.queue, t.index)
	if len(s.queue) == 0 {
		i := slices.Index(q.waiting, s)
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// next returns the ticket to admit now. If there is none, it returns the time until one may be
// admitted; 0: not before a request ends.
func (q *queue) next(now time.Time) (next *Ticket, soonest time.Duration) {
	client := q.wait(now)
	if client < 0 {
		return nil, 0
	}
	for _, s := range q.waiting {
		t, own := s.head(), time.Duration(0)
		if s != &q.client {
			own = s.wait(now)
		}
		wait := max(client, own)
		switch {
		case t == nil || own < 0:
		case wait > 0 && (soonest == 0 || wait < soonest):
			soonest = wait
		case wait == 0 && (next == nil || t.place < next.place):
			next = t
		}
	}
	return next, soonest
}

// wait returns the time until the client may start its next request; negative: not before a request
// ends.
func (q *queue) wait(now time.Time) time.Duration {
	pause, own := remaining(q.pausedTo, now), q.client.wait(now)
	switch {
	case q.probing && q.probe != nil:
		return -1
	case q.probing:
		return max(pause, q.client.pacing(now))
	case own < 0:
		return own
	}
	return max(pause, own)
}

func (q *queue) admit(t *Ticket, now time.Time) {
	if q.probing {
		q.probe = t
	}
	t.cuts[0] = q.client.admit(now)
	if t.Batch != nil {
		t.cuts[1] = t.Batch.admit(now)
	}
}

func (q *queue) release(t *Ticket) {
	if q.probe == t {
		q.probe = nil
	}
	q.client.inFlight--
	if t.Batch != nil {
		t.Batch.inFlight--
	}
}

// succeed records a success and its duration.
func (q *queue) succeed(t *Ticket, took time.Duration, now time.Time) {
	t.inARow = 0
	q.successes++
	q.lastSuccess = now
	if q.probe == t {
		q.probing, q.cause = false, nil
	}
	q.client.grow(took)
	if t.Batch != nil {
		t.Batch.grow(took)
	}
}

// fail records an outcome that says nothing about the server's limit.
func (q *queue) fail(t *Ticket) {
	t.inARow = 0
	if q.probe == t {
		q.probing = false
	}
}

// throttle records a 429, and starts a pause.
func (q *queue) throttle(t *Ticket, took, retryAfter time.Duration, cause error, now time.Time) Throttling {
	counts := q.counts(t)
	c := &q.client
	c.window.learn(took)
	if counts {
		switch {
		case retryAfter > 0:
			q.pause(now.Add(min(retryAfter, maxPause)), true, cause)
		case t.cuts[0] == c.window.cuts:
			q.pause(now.Add(min(c.window.slot(c.inFlight), q.maxSlotPause)), false, nil)
		}
		c.cutOnce(t.cuts[0])
		if t.Batch != nil {
			t.Batch.window.learn(took)
			t.Batch.cutOnce(t.cuts[1])
		}
	}
	return Throttling{counts, t.inARow >= 2, t.throttled}
}

// counts reports whether a 429 is about the account, and not about this request alone. A ticket
// goes to the back of the queue after two 429s in a row. From then on its 429s do not count while
// other tickets succeed and rarely get a 429.
func (q *queue) counts(t *Ticket) bool {
	others, successes := q.throttled-t.sawThrottled, q.successes-t.sawSuccesses
	counts := t.inARow < 2 || successes == 0 || others > 0 && others*isolation >= successes
	if t.inARow++; t.inARow <= 2 {
		q.throttled++
	}
	if t.inARow >= 2 {
		t.place, t.First = 0, false
	}
	if successes > 0 {
		t.throttled++
	}
	t.sawSuccesses, t.sawThrottled = q.successes, q.throttled
	return counts
}

func (q *queue) pause(until time.Time, probing bool, cause error) {
	if until.Before(q.pausedTo) {
		return
	}
	q.pausedTo, q.cause = until, cause
	q.probing = q.probing || probing
}

// rejects returns the error for which t need not wait; nil: it has to wait.
func (q *queue) rejects(t *Ticket, now time.Time) error {
	if t.Batch != nil && t.Batch.closed != nil {
		return t.Batch.closed
	}
	left := remaining(q.pausedTo, now)
	if q.cause == nil || t.MaxPause == 0 || left <= t.MaxPause {
		return nil
	}
	return &PausedError{left, q.cause}
}

// head returns the next ticket of s: the first, or during a hold only the probe.
func (s *Scope) head() *Ticket {
	switch {
	case !s.held:
		return s.queue[0]
	case s.probe != nil && s.probe.queued:
		return s.probe
	}
	return nil
}

func (s *Scope) admit(now time.Time) (cuts int) {
	s.inFlight++
	if pace := s.window.pace(); pace > 0 {
		s.pacedTo = now.Add(pace)
	}
	return s.window.cuts
}

func (s *Scope) wait(now time.Time) time.Duration {
	if !s.window.room(s.inFlight) {
		return -1
	}
	return s.pacing(now)
}

func (s *Scope) pacing(now time.Time) time.Duration {
	if s.window.limit >= 1 {
		return 0
	}
	return remaining(s.pacedTo, now)
}

func (s *Scope) grow(took time.Duration) { s.window.grow(took, !s.window.room(s.inFlight)) }

// cutOnce cuts the window, unless another 429 of the same round trip has cut it.
func (s *Scope) cutOnce(cuts int) {
	if cuts == s.window.cuts {
		s.window.cut()
	}
}

func remaining(until, now time.Time) time.Duration { return max(until.Sub(now), 0) }

// tickets is a heap of waiting tickets: those with First, then the oldest.
type tickets []*Ticket

func (h tickets) Len() int { return len(h) }
func (h tickets) Less(i, j int) bool {
	if h[i].First != h[j].First {
		return h[i].First
	}
	return h[i].place < h[j].place
}

func (h tickets) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *tickets) Push(x any) {
	t := x.(*Ticket)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *tickets) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return t
}
