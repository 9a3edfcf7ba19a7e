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
	inFlight  int           // requests
	inDoubt   int           // calls whose attempts are used up, and that wait for news
	successes int           // so far
	succeeded time.Time     // when the last one came
	proven    time.Time     // when the latest request was sent that succeeded
	suspects  int           // calls that have failed since the last success, by no fault of their own that is known
	since     time.Time     // the first failure after which nothing was sent that succeeded; zero: none
	last      error         // the last failure
	clock     *time.Timer   // of MaxOutage
	expired   bool          // MaxOutage is over; the requests in flight may still succeed
	holding   time.Time     // since when; zero: it does not
	confirmed bool          // a probe has failed
	releases  int           // holds that are over
	released  time.Time     // when the last one was
	waits     waits         // between probes
	changed   chan struct{} // closed at the next change, when somebody waits for it
	ended     *endedError
	news      []func() // to be logged when the lock is given back: a logger may ask for Stats
}

// member is what it knows of one call.
type member struct {
	turn      turn      // in the limiter of the fleet
	failed    time.Time // first, since the last hold that it failed in; zero: not at all
	suspected int       // successes of the fleet, when it last became a suspect
	releases  int       // of the fleet, when it last failed
	rescues   int       // holds after which its failures were forgotten
	renewed   bool      // its credentials, after a 401
}

// maxRescues is how often a call is spared its failures in an outage, when it fails again after that.
const maxRescues = 3

// atFault reports whether a call fails by itself: a request that was sent after it had failed succeeded, just now or several
// times before.
func (o *outage) atFault(m *member) bool {
	return m.rescues >= maxRescues || !m.failed.IsZero() && !o.proven.Before(m.failed)
}

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
	defer o.unlock()
	if o.inHand--; o.inHand == 0 {
		o.since, o.expired = time.Time{}, false // nothing is asked from now on
	}
	if o.inHand == 0 && o.holds() {
		o.confirmed = false // nobody knows whether it is over
		o.release()
	}
	o.change()
	o.consider() // the ones that are left may be waiting for news
	if _, marked := errors.AsType[*endedError](err); o.ended == nil || o.ended.outage == 0 || marked || !IsRetryable(err) {
		return err
	}
	return &endedError{err, o.ended.outage}
}

// takeOff and land are told of each request.
func (o *outage) takeOff() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inFlight++
}

func (o *outage) land() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inFlight--
}

// wait is told of a pause that is longer than MaxWait, which another call of the client has begun.
func (o *outage) wait(refusal *Error) {
	o.mu.Lock()
	defer o.unlock()
	o.suffer(refusal)
}

// learn is told how an attempt ended, before the next one can start.
func (o *outage) learn(c *call, answer *http.Response, failure error) {
	o.mu.Lock()
	defer o.unlock()
	switch {
	case errors.Is(failure, ErrUnauthorized) && o.renews(c):
	case failure != nil && isRefusedForAll(failure):
		o.end(&endedError{err: failure})
	case failure != nil && o.isOutage(failure):
		o.fail(c, failure)
	case failure != nil && isRefusal(failure):
		o.suffer(failure)
	case isConclusive(answer, failure):
		o.limiter.succeed(&c.member.turn, c.attempt.Duration)
		o.succeed(c.began)
	}
}

// next says how a call goes on after a failure of which it has learnt.
func (o *outage) next(c *call, failure error) (wait time.Duration, again bool) {
	o.mu.Lock()
	ended, renews := o.ended != nil, o.renews(c)
	parks := o.holds() && (!o.atFault(&c.member) || c.counted < o.cfg.retry.MaxAttempts)
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
		return c.afterRefusal(failure)
	case parks:
		return 0, true
	case retryAfter(failure) > o.cfg.retry.MaxOutage, !c.mayRetry(): // a fleet has the time to wait as it is told
		return 0, o.isRescued(c.ctx, &c.member)
	}
	return c.waitAfter(failure), true
}

// isRescued waits until it is known whether a call whose attempts are used up has failed by itself, since others succeed, or
// in an outage, which it will be spared. When all in hand wait for that, it is one.
func (o *outage) isRescued(ctx context.Context, m *member) (rescued bool) {
	o.mu.Lock()
	o.inDoubt++
	if !o.atFault(m) && o.releases == m.releases {
		o.consider()
	}
	o.unlock()
	o.await(ctx, func() bool {
		rescued = !o.atFault(m) && (o.holds() || o.releases != m.releases)
		return rescued || o.atFault(m)
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inDoubt--
	return rescued && o.ended == nil
}

// awaitPull waits until another SID may be pulled. While the fleet holds none is, but for a second one beside a single one, which
// may fail by itself.
func (o *outage) awaitPull(ctx context.Context) bool {
	releases := -1
	return o.await(ctx, func() bool {
		if releases < 0 {
			releases = o.releases
		}
		return !o.holds() || o.releases != releases || o.inHand <= 1
	})
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
	o.suspects, o.expired = 0, false
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
	o.released = time.Now()
	o.limiter.resume()
}

func (o *outage) fail(c *call, failure error) {
	m := &c.member
	if !m.failed.IsZero() && m.releases != o.releases && m.rescues < maxRescues { // what came before a release was no fault of its own
		m.failed = time.Time{}
		m.rescues++
		c.counted = 0
		c.waits.reset()
	}
	c.counted++
	if m.releases = o.releases; c.began.Before(o.released) {
		m.releases-- // it was sent before that
	}
	if m.failed.IsZero() {
		m.failed = time.Now()
		m.suspected = -1
	}
	if !o.atFault(m) && m.suspected != o.successes {
		m.suspected = o.successes
		o.suspects++
	}
	o.suffer(failure)
	o.consider()
	c.turn.place = 0 // another SID is next
	if o.holds() {
		m.turn.place = 0
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
	if o.expired {
		o.end(&endedError{failure, o.cfg.retry.MaxOutage})
	}
	if !o.since.IsZero() || o.cfg.retry.MaxOutage < 0 || o.ended != nil {
		return
	}
	o.since = time.Now()
	if o.clock == nil {
		o.clock = time.AfterFunc(o.cfg.retry.MaxOutage, o.giveUp)
	} else {
		o.clock.Reset(o.cfg.retry.MaxOutage)
	}
}

// giveUp ends the fleet when MaxOutage is over. What is in flight then decides: a success would go unheard otherwise.
func (o *outage) giveUp() {
	o.mu.Lock()
	defer o.unlock()
	if o.since.IsZero() || o.ended != nil {
		return
	}
	most := o.cfg.retry.MaxOutage
	left := most - min(time.Since(o.since), time.Since(o.succeeded))
	switch {
	case left > 0:
		o.clock.Reset(left)
	case o.inFlight > 0 && !o.expired:
		o.expired = true
		o.clock.Reset(o.cfg.timeout)
	default:
		o.end(&endedError{o.last, most})
	}
}

// consider holds the fleet when what failed makes an outage.
func (o *outage) consider() {
	known := o.suspects > 1 || o.suspects == 1 && o.inHand == 1 || o.inDoubt == o.inHand
	if !known || o.holds() || o.ended != nil || o.inHand == 0 {
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
	o.limiter.shut(why)
	close(o.over)
	o.stop()
	o.change()
}

// rest ends the clock when the fleet has ended.
func (o *outage) rest() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since = time.Now() // so that nothing starts it again
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
	if logger := o.cfg.logger; logger != nil {
		reason := slog.String("reason", string(reasonOf(o.last)))
		o.news = append(o.news, func() { logger.LogAttrs(context.Background(), level, message, reason) })
	}
}

// unlock gives the lock back, and then logs what is new.
func (o *outage) unlock() {
	news := o.news
	o.news = nil
	o.mu.Unlock()
	for _, log := range news {
		log()
	}
}

// endedError is why a fleet has ended, or the failure of a call that its end has cut short.
type endedError struct {
	err    error
	outage time.Duration // without a success; 0: it was no outage
}

func (e *endedError) Error() string {
	if e.outage == 0 {
		return "not sent, after " + e.err.Error()
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
