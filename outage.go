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

// outage is what a fleet knows of the API, from how the attempts of its calls end. It holds the fleet while the API is down,
// and ends it when there is no use in going on.
type outage struct {
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

// member is what it knows of one call.
type member struct {
	turn     turn      // in the limiter of the fleet
	failed   time.Time // first, since the last hold that it failed in; zero: not at all
	counted  int       // successes of the fleet, when it last became a suspect
	releases int       // of the fleet, when it last failed
	rescues  int       // holds after which its failures were forgotten
	renewed  bool      // its credentials, after a 401
}

// atFault reports whether a call fails by itself: a request that was sent after it had failed succeeded.
func (o *outage) atFault(m *member) bool { return !m.failed.IsZero() && !o.proven.Before(m.failed) }

func newOutage(cfg *config, limiter *limiter, stop func()) *outage {
	return &outage{cfg: cfg, limiter: limiter, stop: stop, over: make(chan struct{}), waits: newWaits(cfg.retry)}
}

// add is told of each call that begins.
func (o *outage) add() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inHand++
}

// remove is told of each call that ends, and marks an error that is part of an outage.
func (o *outage) remove(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inHand--
	o.consider() // the one that is left may be waiting for news
	if _, marked := errors.AsType[*endedError](err); o.ended == nil || o.ended.outage == 0 || marked || !IsRetryable(err) {
		return err
	}
	return &endedError{err, o.ended.outage}
}

// learn is told how an attempt ended, before the next one can start.
func (o *outage) learn(c *call, answer *http.Response, failure error, start time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case errors.Is(failure, ErrUnauthorized) && o.renews(c):
	case failure != nil && isRefusedForAll(failure):
		o.end(&endedError{err: failure})
	case failure != nil && o.isOutage(failure):
		o.fail(c, failure)
	case failure != nil && isRefusal(failure):
		o.suffer(failure)
	case answer != nil:
		o.succeed(start)
	}
}

// next says how a call goes on after a failure of which it has learnt.
func (o *outage) next(c *call, failure error) (wait time.Duration, again bool) {
	o.mu.Lock()
	holds, ended, renews := o.holds(), o.ended != nil, o.renews(c)
	o.mu.Unlock()
	switch {
	case ended:
		return 0, false
	case errors.Is(failure, ErrUnauthorized) && renews:
		c.member.renewed = true
		return 0, true
	case o.cfg.retry.MaxOutage < 0:
		return c.next(failure)
	case !isTransient(failure):
		return 0, false
	case isRefusal(failure):
		return c.afterRefusal()
	case holds:
		return 0, c.member.rescues < maxRefusals
	case retryAfter(failure) > o.cfg.retry.MaxWait, !c.mayRetry():
		return 0, o.isRescued(c.ctx, &c.member)
	}
	return c.waitAfter(failure), true
}

// isRescued waits until it is known whether a call whose attempts are used up has failed by itself, since others succeed, or
// in an outage, which it will be spared.
func (o *outage) isRescued(ctx context.Context, m *member) (rescued bool) {
	return o.await(ctx, func() bool {
		rescued = o.holds() || o.releases != m.releases
		return rescued || o.atFault(m)
	}) && rescued && m.rescues < maxRefusals
}

// await waits until a condition holds, and reports whether it came to that before ctx or the fleet ended.
func (o *outage) await(ctx context.Context, holds func() bool) bool {
	for {
		o.mu.Lock()
		if o.ended != nil || holds() {
			defer o.mu.Unlock()
			return o.ended == nil
		}
		if o.changed == nil {
			o.changed = make(chan struct{})
		}
		changed := o.changed
		o.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// isOutage reports whether a failure may be one of the API as a whole.
func (o *outage) isOutage(failure error) bool {
	return o.cfg.retry.MaxOutage > 0 && isTransient(failure) &&
		(!isRefusal(failure) || retryAfter(failure) > o.cfg.retry.MaxWait)
}

// isRefusedForAll reports whether no other call can end better.
func isRefusedForAll(failure error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](failure)
	return certificate || errors.Is(failure, ErrUnauthorized) || isUnsent(failure) && !isTransient(failure)
}

// renews reports whether a call may sign with new credentials after a 401.
func (o *outage) renews(c *call) bool {
	_, constant := o.cfg.auth.(basicAuth)
	return !constant && !c.member.renewed
}

func (o *outage) isHolding() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.holds()
}

func (o *outage) holds() bool { return !o.holding.IsZero() }

// succeed learns from an answer to a request that was sent at start. One that was sent before an outage tells only that it
// may be over.
func (o *outage) succeed(start time.Time) {
	o.successes++
	o.suspects = 0
	o.succeeded = time.Now()
	if !start.Before(o.since) {
		o.since = time.Time{}
	}
	if start.After(o.proven) {
		o.proven = start
	}
	if o.holds() {
		o.waits.reset()
		if start.Before(o.holding) {
			o.limiter.hurry()
			return
		}
		o.release()
	}
	o.change()
}

func (o *outage) release() {
	if o.confirmed {
		o.log(slog.LevelInfo, "trusthub: the outage is over")
	}
	o.holding, o.confirmed = time.Time{}, false
	o.releases++
	o.limiter.resume()
}

func (o *outage) fail(c *call, failure error) {
	m := &c.member
	if !m.failed.IsZero() && m.releases != o.releases { // what came before a release was no fault of its own
		m.failed = time.Time{}
		m.rescues++
		c.counted = 0
		c.waits.reset()
	}
	c.counted++
	m.releases = o.releases
	if m.failed.IsZero() {
		m.failed = time.Now()
		m.counted = -1
	}
	if !o.atFault(m) && m.counted != o.successes {
		m.counted = o.successes
		o.suspects++
	}
	o.suffer(failure)
	o.consider()
	if o.holds() {
		m.turn.place = 0 // the next probe is for another SID
		o.probed(m)
	}
}

// probed learns that a call failed while the fleet holds.
func (o *outage) probed(m *member) {
	if !o.limiter.leads(&m.turn) {
		return // it was under way before
	}
	o.limiter.hold(o.waits.next())
	if !o.confirmed {
		o.confirmed = true
		o.log(slog.LevelWarn, "trusthub: holding in an outage")
	}
}

// suffer starts the clock of MaxOutage.
func (o *outage) suffer(failure error) {
	o.last = failure
	if !o.since.IsZero() || o.cfg.retry.MaxOutage < 0 {
		return
	}
	o.since = time.Now()
	if o.clock == nil {
		o.clock = time.AfterFunc(o.cfg.retry.MaxOutage, o.giveUp)
	} else {
		o.clock.Reset(o.cfg.retry.MaxOutage)
	}
}

func (o *outage) giveUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.inHand == 0 {
		o.since = time.Time{} // nothing was asked meanwhile
	}
	if o.since.IsZero() {
		return
	}
	most := o.cfg.retry.MaxOutage
	if left := most - min(time.Since(o.since), time.Since(o.succeeded)); left > 0 {
		o.clock.Reset(left)
		return
	}
	o.end(&endedError{o.last, most})
}

// consider holds the fleet when what failed makes an outage.
func (o *outage) consider() {
	if o.holds() || o.ended != nil || o.suspects == 0 || o.suspects == 1 && o.inHand > 1 {
		return
	}
	o.holding = time.Now()
	o.limiter.hold(o.waits.next())
	o.change()
}

func (o *outage) end(why *endedError) {
	if o.ended != nil {
		return
	}
	o.ended = why
	close(o.over)
	o.limiter.shut(why)
	o.stop()
	o.change()
}

// rest ends the clock when the fleet has ended.
func (o *outage) rest() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.clock != nil {
		o.clock.Stop()
	}
}

// change wakes up who waits.
func (o *outage) change() {
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

func (o *outage) log(level slog.Level, message string) {
	if o.cfg.logger != nil {
		o.cfg.logger.Log(context.Background(), level, message, slog.String("reason", string(reasonOf(o.last))))
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

// LogValue logs what ended the fleet, or the call.
func (e *endedError) LogValue() slog.Value { return slog.AnyValue(e.err) }

func (e *endedError) Unwrap() []error {
	if e.outage == 0 {
		return []error{e.err}
	}
	return []error{e.err, ErrOutage}
}
