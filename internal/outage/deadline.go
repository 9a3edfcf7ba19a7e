package outage

import "time"

// deadline ends a batch that has had no success for too long.
type deadline struct {
	limit       time.Duration // negative: none
	failingFrom time.Time     // the first failure after which nothing was sent that succeeded; zero: none
	succeededAt time.Time     // the last success
	overdue     bool          // the limit is over; only what is in flight may still succeed
}

// failed reports whether the time begins to run now, and whether it is over.
func (d *deadline) failed(now time.Time) (begins, over bool) {
	if d.overdue {
		return false, true
	}
	if !d.failingFrom.IsZero() || d.limit < 0 {
		return false, false
	}
	d.failingFrom = now
	return true, false
}

func (d *deadline) succeeded(now, sentAt time.Time) {
	d.succeededAt, d.overdue = now, false
	if !sentAt.Before(d.failingFrom) { // a request from before the outage says only that the outage may be over
		d.failingFrom = time.Time{}
	}
}

// check returns when to check again, or that the time is over. Requests in flight get grace to end: their success would be lost.
func (d *deadline) check(now time.Time, inFlight int, grace time.Duration) (again time.Duration, over bool) {
	if d.failingFrom.IsZero() {
		return 0, false
	}
	left := d.limit - min(now.Sub(d.failingFrom), now.Sub(d.succeededAt))
	switch {
	case left > 0:
		return left, false
	case inFlight > 0 && !d.overdue:
		d.overdue = true
		return grace, false
	}
	return 0, true
}

// idle stops the time: nothing is being asked.
func (d *deadline) idle() { d.failingFrom, d.overdue = time.Time{}, false }
