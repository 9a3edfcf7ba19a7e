package trusthub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/tracker"
)

// Tracker follows many profiles and calls a handler with each change. It fetches all profiles in
// sweeps. A callback or [Tracker.Poll] fetches one profile ahead of the sweep. Make one with
// [Client.NewTracker]. It is safe for concurrent use. For each SID it keeps in memory the profile
// that was handled last. The only permanent store is the program's own database.
type Tracker struct {
	client *Client
	cfg    TrackerConfig

	mu        sync.Mutex
	machine   tracker.Machine
	run       *trackerRun // nil: none
	lastSweep time.Time
	sweepTime time.Duration
	changes   map[CustomerProfileStatus]int
}

// TrackerConfig configures a [Tracker]. Only SIDs is required.
type TrackerConfig struct {
	// SIDs returns the profiles to track. It is called at the start of each sweep, and read to its end
	// before the sweep ends. A SID that it does not yield any more is forgotten after the sweep.
	SIDs func() iter.Seq[string]
	// Every is the time between the starts of two sweeps; 0: an hour.
	Every time.Duration
	// Known returns the profile that the program has recorded for a SID, nil for none. Record the
	// whole profile, best as JSON. Known is called once for a SID, before its first change is handled.
	// When it fails, for example because the database is down, it is called again after a wait. It
	// must be safe for concurrent use. A nil Known means that nothing is recorded.
	Known func(ctx context.Context, sid string) (*CustomerProfile, error)
	// Concurrency bounds the requests in flight, and also the calls of the handler and of Known that
	// run at a time; 0: 16.
	Concurrency int
}

// Change is a call of a [Tracker]'s handler: a new state of a profile, or an error of its SID.
type Change struct {
	SID    string
	Before *CustomerProfile // the profile that was handled last, or that is recorded; nil: none
	After  *CustomerProfile // nil if there is an Err
	Fields []string         // the changed fields, by [ChangedFields]
	// Event is the callback that announced this state. It is nil when there was no callback, when the
	// state was found before the callback came, and after a restart of the program.
	Event    *CallbackEvent
	Err      error     // the error of this SID, such as [ErrNotFound]
	PolledAt time.Time // when the request was sent that found the change; zero if none was
}

// TrackerStats is a snapshot of a tracker.
type TrackerStats struct {
	Profiles int // tracked SIDs
	// SIDs that wait for a fetch ahead of the sweep, or for the handler
	Pending      int
	LastSweep    time.Time     // the end of the last complete sweep; zero: none yet
	SweepTime    time.Duration // how long the last complete sweep took
	LastSuccess  time.Time     // as in [Stats]: of the whole client
	FailingSince time.Time     // as in [Stats]: of the whole client
	// Changes counts the handled changes by the status of the profile; "" for errors.
	Changes map[CustomerProfileStatus]int
}

// NewTracker returns a tracker, which does nothing before [Tracker.Run]. Use one client and one
// tracker for each account. An invalid configuration is an error that names the field.
func (c *Client) NewTracker(cfg TrackerConfig) (*Tracker, error) {
	switch {
	case cfg.SIDs == nil:
		return nil, errors.New("trusthub: TrackerConfig.SIDs is nil")
	case cfg.Every < 0:
		return nil, fmt.Errorf("trusthub: TrackerConfig.Every is negative: %v", cfg.Every)
	case cfg.Concurrency < 0 || cfg.Concurrency > maxBatchConcurrency:
		return nil, fmt.Errorf("trusthub: TrackerConfig.Concurrency is %d, which is not from 1 to %d", cfg.Concurrency, maxBatchConcurrency)
	}
	if cfg.Every == 0 {
		cfg.Every = time.Hour
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = defaultBatchConcurrency
	}
	if cfg.Known == nil {
		cfg.Known = func(context.Context, string) (*CustomerProfile, error) { return nil, nil } //nolint:nilnil // nothing
	}
	return &Tracker{client: c, cfg: cfg, changes: make(map[CustomerProfileStatus]int)}, nil
}

// Run tracks the profiles until ctx ends, and returns the error of ctx. It returns an
// [ErrUnauthorized] when Twilio rejects the credentials. It calls handle for each change.
//
// Order: changes of one SID are handled one at a time, in the order of the requests. Changes of
// different SIDs are handled at the same time, up to Concurrency. States between two requests are
// not seen.
//
// Once: a change is handled until handle returns nil. When handle returns an error, it is called
// again after 1 s, then 2 s, up to a minute, with the newest state of the SID. If that is the state
// handled last, there is no change any more. After a restart of the program, each change that Known
// does not return comes again. So a change is handled exactly once if handle records After in the
// same transaction as its effects, and at least once otherwise.
//
// Errors: an error of a SID, Twilio's 404 included, is a Change with Err if it differs from the
// last error of the SID by status, code or kind. Each sweep fetches the SID again. An error that
// would fail every SID, such as an invalid certificate, is logged, and the request is retried after
// 1 s, up to a minute.
//
// Outages: while Twilio is down, sweep and polls wait for as long as it takes, see
// [Client.FetchCustomerProfiles]. handle is not called about it. A sweep that takes longer than
// Every is logged, and the next one starts at once.
//
// The end of ctx ends the requests. Run returns when the running calls of handle have returned.
// Their context does not end with ctx, so that they can complete: give them a timeout where they
// need one. Changes that are not handled by then come again in the next Run. Run raises a panic of
// SIDs, Known, handle or a middleware again. Only one Run may be in progress; another one returns
// an error.
func (t *Tracker) Run(ctx context.Context, handle func(context.Context, Change) error) error {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &trackerRun{
		Tracker: t, ctx: within, cancel: cancel, handle: handle,
		wake: make(chan struct{}, 1), swept: make(chan struct{}, 1),
	}
	if err := r.begin(); err != nil {
		return err
	}
	defer r.end()
	r.tasks.Go(func() {
		defer r.recovers()
		r.sweeps()
	})
	r.fetches()
	if r.unauthorized != nil {
		return r.unauthorized
	}
	return ctx.Err()
}

// Poll fetches a profile ahead of the sweep, and hands over a change. The SID need not be tracked:
// at most 1,000 such SIDs may wait. It returns [ErrInvalidSID], or an error when too many wait. It
// does not wait for the fetch.
func (t *Tracker) Poll(sid string) error { return t.poll(sid, nil) }

func (t *Tracker) poll(sid string, event tracker.Event) error {
	if err := checkSID(sid); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.unlock()
	if err := t.machine.Poll(sid, event, time.Now()); err != nil {
		return fmt.Errorf("trusthub: Poll: %w", err)
	}
	return nil
}

// CallbackHandler returns a handler for the status_callback of profiles, as
// [Client.CallbackHandler] does. Handle of the configuration is nil: the handler polls the profile.
// The response is 204 as soon as the SID is queued, also while Twilio is down, and 503 when more
// than 1,000 SIDs wait that are not tracked. The queue is lost when the process ends. The next
// sweep finds the state then, without the event.
//
// The event becomes [Change].Event of the first state of the profile with its status. If the
// profile has another status, it is polled again after 2, 10 and 60 s. An event for another account
// than the profile's is dropped.
func (t *Tracker) CallbackHandler(cfg CallbackConfig) (http.Handler, error) {
	keys := webhookKeys(cfg.Keys)
	if cfg.Handle != nil {
		return nil, errors.New("trusthub: CallbackConfig.Handle is not nil: the handler of Tracker.Run gets what changes")
	}
	if err := cfg.check(keys); err != nil {
		return nil, err
	}
	called := &callbacks{client: t.client, url: cfg.PublicURL, keys: keys}
	called.deliver = func(_ context.Context, sid string, event CallbackEvent) (status int, reason string) {
		if t.poll(sid, &trackerEvent{event}) != nil {
			return http.StatusServiceUnavailable, "queue"
		}
		return http.StatusNoContent, ""
	}
	return http.HandlerFunc(called.serve), nil
}

// Stats returns a snapshot.
func (t *Tracker) Stats() TrackerStats {
	client := t.client.Stats()
	t.mu.Lock()
	defer t.mu.Unlock()
	return TrackerStats{
		Profiles: t.machine.Tracked(), Pending: t.machine.Pending(), LastSweep: t.lastSweep, SweepTime: t.sweepTime,
		LastSuccess: client.LastSuccess, FailingSince: client.FailingSince, Changes: maps.Clone(t.changes),
	}
}

// trackerEvent is an event in the form of the state machine.
type trackerEvent struct{ CallbackEvent }

func (e *trackerEvent) Match(status, account string) tracker.Match {
	switch {
	case e.isOfAnother(account):
		return tracker.Never
	case e.Status == "" || e.Status == status:
		return tracker.Shown
	}
	return tracker.NotYet
}

// work does one job.
func (r *trackerRun) work(job *tracker.Job) {
	succeeded := false
	defer r.recovers()
	defer func() {
		var wait time.Duration
		r.locked(func() {
			if r.jobs--; succeeded {
				r.machine.Done(job)
			} else {
				wait = r.machine.Failed(job, time.Now())
			}
		})
		if !succeeded && r.ctx.Err() == nil {
			r.log(slog.LevelWarn, "trusthub: change not handled", slog.String("sid", job.SID), slog.Duration("retry_in", wait))
		}
	}()
	succeeded = r.ask(job) == nil && r.handOver(job) == nil
}

// ask calls Known, once for a SID.
func (r *trackerRun) ask(job *tracker.Job) error {
	if job.IsKnown {
		return nil
	}
	profile, err := r.cfg.Known(r.ctx, job.SID)
	if err != nil {
		return err
	}
	base, err := encodeProfile(profile)
	if err != nil {
		return err
	}
	r.locked(func() { r.machine.Known(job, base) })
	return r.ctx.Err()
}

// handOver calls the handler if there is a change.
func (r *trackerRun) handOver(job *tracker.Job) error {
	change := Change{SID: job.SID, Before: decodeProfile(job.Base), Err: job.Seen.Err, PolledAt: job.Seen.SentAt}
	if job.Seen.Err == nil {
		change.After = decodeProfile(job.Seen.State)
		change.Fields = ChangedFields(change.Before, change.After)
	}
	if !job.IsChange() || job.Seen.Err == nil && change.Before != nil && len(change.Fields) == 0 {
		return nil
	}
	if event, ok := job.Event.(*trackerEvent); ok {
		change.Event = &event.CallbackEvent
	}
	if err := r.handle(context.WithoutCancel(r.ctx), change); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var status CustomerProfileStatus
	if change.After != nil {
		status = change.After.Status
	}
	r.changes[status]++
	return nil
}

// describeFailure returns the same text for errors that are not two changes.
func describeFailure(err error) string {
	said := string(reasonOf(err))
	if apiErr, ok := errors.AsType[*Error](err); ok {
		said += fmt.Sprint(" ", apiErr.StatusCode, " ", apiErr.Code)
	}
	if decodeErr, ok := errors.AsType[*DecodeError](err); ok {
		said += " " + decodeErr.Pointer
	}
	return said
}
