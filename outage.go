package trusthub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// health is what a fleet knows of the API, from how the attempts of its calls end. It holds the fleet while the API is down, and
// ends it when there is no use in going on.
type health struct {
	cfg     *config
	limiter *limiter      // of the fleet, which pauses while it holds
	stop    func()        // ends the pulling
	over    chan struct{} // closed when the fleet has ended

	mu        sync.Mutex
	inHand    int           // calls
	successes int           // so far
	succeeded time.Time     // when the last one came
	proven    time.Time     // when the latest request was sent that succeeded
	suspects  int           // calls that have failed since the last success, by no fault of their own that is known
	since     time.Time     // the first failure after which nothing was sent that succeeded; zero: none
	last      error         // the last failure
	clock     *time.Timer   // of MaxOutage
	holding   time.Time     // since when; zero: it does not
	confirmed bool          // a probe has failed
	releases  int           // holds that are over
	waits     waits         // between probes
	changed   chan struct{} // closed at the next change, when somebody waits for it
	ended     *endedError
}

// member is what health knows of one call.
type member struct {
	turn     turn      // in the limiter of the fleet
	failed   time.Time // first, since the last hold that it failed in; zero: not at all
	counted  int       // successes of the fleet, when it last became a suspect
	releases int       // of the fleet, when it last failed
	rescues  int       // holds after which its failures were forgotten
	renewed  bool      // its credentials, after a 401
}

// atFault reports whether a call fails by itself: a request that was sent after it had failed succeeded.
func (h *health) atFault(m *member) bool { return !m.failed.IsZero() && !h.proven.Before(m.failed) }

func newHealth(cfg *config, limiter *limiter, stop func()) *health {
	return &health{cfg: cfg, limiter: limiter, stop: stop, over: make(chan struct{}), waits: newWaits(cfg.retry)}
}

// add is told of each call that begins.
func (h *health) add() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inHand++
}

// remove is told of each call that ends, and marks an error that is part of an outage.
func (h *health) remove(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inHand--
	h.consider() // the one that is left may be waiting for news
	if _, marked := errors.AsType[*endedError](err); h.ended == nil || h.ended.outage == 0 || marked || !IsRetryable(err) {
		return err
	}
	return &endedError{err, h.ended.outage}
}

// learn is told how an attempt ended, before the next one can start.
func (h *health) learn(r *retries, answer *http.Response, failure error, start time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case errors.Is(failure, ErrUnauthorized) && h.renews(r):
	case failure != nil && isRefusedForAll(failure):
		h.end(&endedError{err: failure})
	case failure != nil && h.isOutage(failure):
		h.fail(r, failure)
	case failure != nil && isRefusal(failure):
		h.suffer(failure)
	case answer != nil:
		h.succeed(start)
	}
}

// next says how a call goes on after a failure of which health has learnt.
func (h *health) next(ctx context.Context, r *retries, failure error) (wait time.Duration, again bool) {
	h.mu.Lock()
	holds, ended, renews := h.holds(), h.ended != nil, h.renews(r)
	h.mu.Unlock()
	switch {
	case ended:
		return 0, false
	case errors.Is(failure, ErrUnauthorized) && renews:
		r.member.renewed = true
		return 0, true
	case h.cfg.retry.MaxOutage < 0:
		return r.next(failure)
	case !isTransient(failure):
		return 0, false
	case isRefusal(failure):
		return r.afterRefusal()
	case holds:
		return 0, r.member.rescues < maxRefusals
	case retryAfter(failure) > h.cfg.retry.MaxWait, !r.mayRetry():
		return 0, h.isRescued(ctx, &r.member)
	}
	return r.waitAfter(failure), true
}

// isRescued waits until it is known whether a call whose attempts are used up has failed by itself, since others succeed, or
// in an outage, which it will be spared.
func (h *health) isRescued(ctx context.Context, m *member) (rescued bool) {
	return h.await(ctx, func() bool {
		rescued = h.holds() || h.releases != m.releases
		return rescued || h.atFault(m)
	}) && rescued && m.rescues < maxRefusals
}

// await waits until a condition holds, and reports whether it came to that before ctx or the fleet ended.
func (h *health) await(ctx context.Context, holds func() bool) bool {
	for {
		h.mu.Lock()
		if h.ended != nil || holds() {
			defer h.mu.Unlock()
			return h.ended == nil
		}
		if h.changed == nil {
			h.changed = make(chan struct{})
		}
		changed := h.changed
		h.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// isOutage reports whether a failure may be one of the API as a whole.
func (h *health) isOutage(failure error) bool {
	return h.cfg.retry.MaxOutage > 0 && isTransient(failure) &&
		(!isRefusal(failure) || retryAfter(failure) > h.cfg.retry.MaxWait)
}

// isRefusedForAll reports whether no other call can end better.
func isRefusedForAll(failure error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](failure)
	return certificate || errors.Is(failure, ErrUnauthorized) || isUnsent(failure) && !isTransient(failure)
}

// renews reports whether a call may sign with new credentials after a 401.
func (h *health) renews(r *retries) bool {
	_, constant := h.cfg.auth.(basicAuth)
	return !constant && !r.member.renewed
}

func (h *health) holds() bool { return !h.holding.IsZero() }

// succeed learns from an answer to a request that was sent at start. One that was sent before an outage tells only that it
// may be over.
func (h *health) succeed(start time.Time) {
	h.successes++
	h.suspects = 0
	h.succeeded = time.Now()
	if !start.Before(h.since) {
		h.since = time.Time{}
	}
	if start.After(h.proven) {
		h.proven = start
	}
	if h.holds() {
		h.waits.reset()
		if start.Before(h.holding) {
			h.limiter.hurry()
			return
		}
		h.release()
	}
	h.change()
}

func (h *health) release() {
	if h.confirmed {
		h.log(slog.LevelInfo, "trusthub: the outage is over")
	}
	h.holding, h.confirmed = time.Time{}, false
	h.releases++
	h.limiter.resume()
}

func (h *health) fail(r *retries, failure error) {
	m := &r.member
	if !m.failed.IsZero() && m.releases != h.releases { // what came before a release was no fault of its own
		m.failed = time.Time{}
		m.rescues++
		r.attempts = 0
		r.waits.reset()
	}
	r.attempts++
	m.releases = h.releases
	if m.failed.IsZero() {
		m.failed = time.Now()
		m.counted = -1
	}
	if !h.atFault(m) && m.counted != h.successes {
		m.counted = h.successes
		h.suspects++
	}
	h.suffer(failure)
	h.consider()
	if h.holds() {
		m.turn.place = 0 // the next probe is for another SID
		h.probed(m)
	}
}

// probed learns that a call failed while the fleet holds.
func (h *health) probed(m *member) {
	if !h.limiter.leads(&m.turn) {
		return // it was under way before
	}
	h.limiter.hold(h.waits.next())
	if !h.confirmed {
		h.confirmed = true
		h.log(slog.LevelWarn, "trusthub: holding in an outage")
	}
}

// suffer starts the clock of MaxOutage.
func (h *health) suffer(failure error) {
	h.last = failure
	if !h.since.IsZero() || h.cfg.retry.MaxOutage < 0 {
		return
	}
	h.since = time.Now()
	if h.clock == nil {
		h.clock = time.AfterFunc(h.cfg.retry.MaxOutage, h.giveUp)
	} else {
		h.clock.Reset(h.cfg.retry.MaxOutage)
	}
}

func (h *health) giveUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inHand == 0 {
		h.since = time.Time{} // nothing was asked meanwhile
	}
	if h.since.IsZero() {
		return
	}
	most := h.cfg.retry.MaxOutage
	if left := most - min(time.Since(h.since), time.Since(h.succeeded)); left > 0 {
		h.clock.Reset(left)
		return
	}
	h.end(&endedError{h.last, most})
}

// consider holds the fleet when what failed makes an outage.
func (h *health) consider() {
	if h.holds() || h.ended != nil || h.suspects == 0 || h.suspects == 1 && h.inHand > 1 {
		return
	}
	h.holding = time.Now()
	h.limiter.hold(h.waits.next())
	h.change()
}

func (h *health) end(why *endedError) {
	if h.ended != nil {
		return
	}
	h.ended = why
	close(h.over)
	h.limiter.shut(why)
	h.stop()
	h.change()
}

// rest ends the clock when the fleet has ended.
func (h *health) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clock != nil {
		h.clock.Stop()
	}
}

// change wakes up who waits.
func (h *health) change() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

func (h *health) log(level slog.Level, message string) {
	if h.cfg.logger != nil {
		h.cfg.logger.Log(context.Background(), level, message)
	}
}

// endedError is why a fleet has ended, or the failure of a call that its end has cut short.
type endedError struct {
	err    error
	outage time.Duration // without a success; 0: it was no outage
}

func (e *endedError) Error() string {
	if e.outage == 0 {
		return e.err.Error()
	}
	return printable(fmt.Sprintf("%v within %v: %v", ErrOutage, e.outage, e.err), 480)
}

func (e *endedError) Unwrap() []error {
	if e.outage == 0 {
		return []error{e.err}
	}
	return []error{e.err, ErrOutage}
}
