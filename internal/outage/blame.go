package outage

import "time"

// maxPardons is how often the failures of a call in an outage are forgotten, if it fails again after it.
const maxPardons = 3

// record is what is known of the failures of one call.
type record struct {
	failedAt    time.Time // the first since the last pardon; zero: none
	suspectedAt int       // successes of the batch, when it last became a suspect
	generation  int       // of the breaker, at the last failure
	pardons     int
}

// blame tells the failures of the API from those of single calls, by the order of events: a call is to blame if a request that was
// sent after it had failed succeeded.
type blame struct {
	successes int
	suspects  int       // calls that have failed since the last success and are not known to be to blame
	provenAt  time.Time // when the latest request was sent that succeeded
}

func (b *blame) isToBlame(r *record) bool {
	return r.pardons >= maxPardons || !r.failedAt.IsZero() && !b.provenAt.Before(r.failedAt)
}

func (b *blame) succeeded(sentAt time.Time) {
	b.successes++
	b.suspects = 0
	if sentAt.After(b.provenAt) {
		b.provenAt = sentAt
	}
}

// failed returns whether earlier failures of the call have been forgotten: those of an outage that is over.
func (b *blame) failed(r *record, now time.Time, generation, generationSent int) (pardoned bool) {
	if !r.failedAt.IsZero() && r.generation != generation && r.pardons < maxPardons {
		r.failedAt, pardoned = time.Time{}, true
		r.pardons++
	}
	r.generation = generationSent
	if r.failedAt.IsZero() {
		r.failedAt, r.suspectedAt = now, -1
	}
	if !b.isToBlame(r) && r.suspectedAt != b.successes {
		r.suspectedAt = b.successes
		b.suspects++
	}
	return pardoned
}
