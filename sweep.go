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

// trackerRun is one Run.
type trackerRun struct {
	*Tracker
	ctx    context.Context
	cancel context.CancelFunc
	handle func(context.Context, Change) error
	tasks  sync.WaitGroup
	wake   chan struct{} // has a value when there may be something to fetch
	swept  chan struct{} // has a value when the sweep may be complete

	refused  error // Twilio's 401
	jobs     int   // that are under way
	timer    *time.Timer
	panicked any
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

// end waits for the calls that are under way.
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

// recovers keeps a panic for Run to raise.
func (r *trackerRun) recovers() {
	if value := recover(); value != nil {
		r.mu.Lock()
		r.panicked = value
		r.mu.Unlock()
		r.cancel()
	}
}

// unlock starts what there is to do, and gives the lock back.
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

// sweeps begins one sweep after another, which fetches makes, until the context ends.
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

// fetches fetches what sweeps and polls want, by one batch that has no end, or by another one when
// something ends it.
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

// fetch makes one batch, and returns what has ended it.
func (r *trackerRun) fetch() (ended error) {
	b := &trackerBatch{trackerRun: r, out: make(map[string]struct{})}
	b.ctx, b.done = context.WithCancel(r.ctx)
	defer b.end()
	endless := func(c *batchConfig) error {
		c.maxOutage = outage.Forever
		// so that a poll has none in front of it that was pulled before and waits
		c.places = r.cfg.Concurrency
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
	out  map[string]struct{} // what was pulled and has no result yet
	over bool
}

// end takes back what was pulled and dropped by the batch.
func (b *trackerBatch) end() {
	b.done()
	b.mu.Lock()
	defer b.unlock()
	b.over = true
	for sid := range b.out {
		b.machine.Return(sid, time.Now())
	}
}

// sids yields what is to be fetched, and waits for that.
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

// next returns the next SID. When handlers are slower than the sweep, it waits for them; polls do
// not.
func (b *trackerBatch) next() (sid string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return "", false
	}
	if sid, ok = b.machine.NextPoll(); !ok && b.machine.Backlog() < b.cfg.Concurrency {
		sid, ok = b.machine.NextOfSweep()
	}
	if ok {
		b.out[sid] = struct{}{}
	}
	return sid, ok
}

// land takes a result. It returns an error that is not the SID's.
func (b *trackerBatch) land(result FetchResult) error {
	seen := tracker.Seen{SentAt: result.SentAt, Err: result.Err}
	if result.Err != nil {
		seen.Failure = describeFailure(result.Err)
	} else {
		seen.State, _ = encodeProfile(result.Profile) // it was JSON before
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
		if b.ctx.Err() == nil && errors.Is(result.Err, ErrUnauthorized) {
			b.refused = result.Err
			b.cancel()
		}
		return result.Err
	}
	b.machine.Land(result.SID, seen, time.Now())
	return nil
}

// isOfSID reports whether other SIDs may succeed.
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
