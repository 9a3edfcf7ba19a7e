package trusthub

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/outage"
	"github.com/seed07fc1495/trusthub/internal/retry"
	"github.com/seed07fc1495/trusthub/internal/sleep"
	"github.com/seed07fc1495/trusthub/internal/tracker"
)

// trackerRun is the state of one Run.
type trackerRun struct {
	*Tracker
	ctx    context.Context
	cancel context.CancelFunc
	handle func(context.Context, Change) error
	tasks  sync.WaitGroup
	wake   chan struct{} // has a value when there may be a SID to fetch
	swept  chan struct{} // has a value when the sweep may be complete

	unauthorized error // Twilio's 401
	jobs         int   // calls of Known and of the handler in progress
	timer        *time.Timer
	panicked     any
}

func (r *trackerRun) begin() error {
	r.mu.Lock()
	defer r.unlock()
	if r.run != nil {
		return errors.New("trusthub: Tracker.Run is under way already")
	}
	r.run = r
	r.timer = time.AfterFunc(time.Hour, r.tick)
	return nil
}

// end waits for the calls in progress.
func (r *trackerRun) end() {
	r.cancel()
	r.tasks.Wait()
	r.mu.Lock()
	r.run = nil
	r.timer.Stop()
	r.mu.Unlock()
	if r.panicked != nil {
		panic(r.panicked)
	}
}

// recovers stores a panic, which Run raises again.
func (r *trackerRun) recovers() {
	if value := recover(); value != nil {
		r.mu.Lock()
		r.panicked = value
		r.mu.Unlock()
		r.cancel()
	}
}

// unlock starts the jobs that are due, and releases the lock.
func (t *Tracker) unlock() {
	defer t.mu.Unlock()
	r := t.run
	if r == nil || r.ctx.Err() != nil {
		return
	}
	for r.jobs < t.cfg.Concurrency {
		job, ok := t.machine.NextJob()
		if !ok {
			break
		}
		r.jobs++
		r.tasks.Go(func() { r.work(&job) })
	}
	signal(r.wake)
	if t.machine.IsSwept() {
		signal(r.swept)
	}
	if due := t.machine.Due(); !due.IsZero() {
		r.timer.Reset(max(time.Until(due), 1))
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (r *trackerRun) tick() {
	r.mu.Lock()
	defer r.unlock()
	r.machine.Tick(time.Now())
}

// sweeps starts one sweep after another, until the context ends. fetches fetches their SIDs.
func (r *trackerRun) sweeps() {
	for r.ctx.Err() == nil {
		start := time.Now()
		r.locked(r.machine.BeginSweep)
		for sid := range r.cfg.SIDs() {
			r.locked(func() { r.machine.Add(sid) })
			if r.ctx.Err() != nil {
				return
			}
		}
		if !r.awaitSwept(start) {
			return
		}
		took := time.Since(start)
		r.logSweep(took)
		_ = sleep.For(r.ctx, r.cfg.Every-took)
	}
}

func (r *trackerRun) locked(f func()) {
	r.mu.Lock()
	defer r.unlock()
	f()
}

func (r *trackerRun) awaitSwept(start time.Time) bool {
	for {
		r.mu.Lock()
		swept := r.machine.IsSwept()
		if swept {
			r.machine.EndSweep()
			r.lastSweep, r.sweepTime = time.Now(), time.Since(start)
		}
		r.mu.Unlock()
		if swept {
			return true
		}
		select {
		case <-r.swept:
		case <-r.ctx.Done():
			return false
		}
	}
}

func (r *trackerRun) logSweep(took time.Duration) {
	level, message := slog.LevelDebug, "trusthub: sweep complete"
	if took > r.cfg.Every {
		level, message = slog.LevelWarn, "trusthub: sweep took longer than TrackerConfig.Every"
	}
	r.log(level, message, slog.Duration("duration", took), slog.Int("profiles", r.Stats().Profiles))
}

func (r *trackerRun) log(level slog.Level, message string, attrs ...slog.Attr) {
	if logger := r.client.pipeline.cfg.logger; logger != nil {
		logger.LogAttrs(r.ctx, level, message, attrs...)
	}
}

// fetches fetches the SIDs of sweeps and polls in one endless batch, and starts another one when an
// error ends it.
func (r *trackerRun) fetches() {
	waits := retry.NewBackoff(time.Second, time.Minute)
	for r.ctx.Err() == nil {
		start := time.Now()
		err := r.fetch()
		if time.Since(start) > time.Minute {
			waits.Reset()
		}
		wait := waits.Next()
		if r.ctx.Err() == nil {
			r.log(slog.LevelWarn, "trusthub: tracker cannot fetch", slog.String("reason", string(reasonOf(err))), slog.Duration("retry_in", wait))
		}
		_ = sleep.For(r.ctx, wait)
	}
}

// fetch makes one batch. It returns the error that ended the batch.
func (r *trackerRun) fetch() (ended error) {
	b := &trackerBatch{trackerRun: r, out: make(map[string]bool)}
	b.ctx, b.done = context.WithCancel(r.ctx)
	defer b.end()
	endless := func(c *batchConfig) error {
		c.maxOutage = outage.Forever
		// so that a poll does not wait behind SIDs that were pulled before
		c.places, c.isUrgent = r.cfg.Concurrency, b.isPoll
		return nil
	}
	for result := range r.client.FetchCustomerProfiles(b.ctx, b.sids, WithBatchConcurrency(r.cfg.Concurrency), endless) {
		if err := b.land(result); err != nil {
			ended = err
		}
	}
	return ended
}

// trackerBatch is one batch of a Run.
type trackerBatch struct {
	*trackerRun
	ctx  context.Context
	done context.CancelFunc
	out  map[string]bool // SIDs that were pulled and have no result yet; true for polls
	over bool
}

// end takes back the SIDs that the batch has pulled and dropped.
func (b *trackerBatch) end() {
	b.done()
	b.mu.Lock()
	defer b.unlock()
	b.over = true
	for sid := range b.out {
		b.machine.Return(sid, time.Now())
	}
}

// sids yields the SIDs to fetch, and waits when there is none.
func (b *trackerBatch) sids(yield func(string) bool) {
	for {
		sid, ok := b.next()
		if ok && !yield(sid) {
			return
		}
		if ok {
			continue
		}
		select {
		case <-b.wake:
		case <-b.ctx.Done():
			signal(b.wake) // for another batch
			return
		}
	}
}

// next returns the next SID. When handlers are slower than the sweep, a SID of the sweep waits for
// them; a poll does not.
func (b *trackerBatch) next() (sid string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return "", false
	}
	sid, isPoll := b.machine.NextPoll()
	if ok = isPoll; !ok && b.machine.Backlog() < b.cfg.Concurrency {
		sid, ok = b.machine.NextOfSweep()
	}
	if ok {
		b.out[sid] = isPoll
	}
	return sid, ok
}

func (b *trackerBatch) isPoll(sid string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out[sid]
}

// land records a result. It returns an error that would fail every SID.
func (b *trackerBatch) land(result FetchResult) error {
	if result.Index < 0 { // the error of a probe
		b.mu.Lock()
		defer b.unlock()
		b.endIfUnauthorized(result.Err)
		return result.Err
	}
	seen := tracker.Seen{SentAt: result.SentAt, Err: result.Err}
	if result.Err != nil {
		seen.Failure = describeFailure(result.Err)
	} else {
		seen.State, _ = encodeProfile(result.Profile) // cannot fail: it was JSON before
		seen.Status, seen.Account = string(result.Profile.Status), result.Profile.AccountSID
	}
	b.mu.Lock()
	defer b.unlock()
	delete(b.out, result.SID)
	if result.Err != nil && (b.ctx.Err() != nil || !isOfSID(result.Err)) {
		b.machine.Return(result.SID, time.Now())
		if ended, ok := errors.AsType[*endedError](result.Err); ok {
			result.Err = ended.err
		}
		b.endIfUnauthorized(result.Err)
		return result.Err
	}
	b.machine.Land(result.SID, seen, time.Now())
	return nil
}

// endIfUnauthorized ends the Run at Twilio's 401.
func (b *trackerBatch) endIfUnauthorized(err error) {
	if b.ctx.Err() == nil && errors.Is(err, ErrUnauthorized) {
		b.unauthorized = err
		b.cancel()
	}
}

// isOfSID reports whether an error is about one SID, so that others may succeed.
func isOfSID(err error) bool {
	if _, ended := errors.AsType[*endedError](err); ended || errors.Is(err, ErrUnauthorized) {
		return false
	}
	f, ok := errors.AsType[failure](err)
	if !ok {
		return true
	}
	kind, _ := f.verdict()
	return kind != attempt.Fatal && kind != attempt.Unauthorized
}
