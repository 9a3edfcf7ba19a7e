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

// Tracker follows many profiles and hands over what changes. It fetches all of them in sweeps, and
// single ones ahead of that when a callback or [Tracker.Poll] asks for it. It is made by
// [Client.NewTracker], and safe for concurrent use. It keeps in memory, for each SID, the profile
// that was handed over last, and nothing else anywhere: the program's own database is the only
// store.
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

// TrackerConfig is what a [Tracker] needs. Only SIDs is required.
type TrackerConfig struct {
	// SIDs returns the profiles to track. It is called at the start of each sweep, and read to its
	// end before the sweep ends. A SID that it yields no more is forgotten after the sweep.
	SIDs func() iter.Seq[string]
	// Every is the time between the starts of two sweeps; 0: an hour.
	Every time.Duration
	// Known returns what the program has recorded of a profile, nil for nothing: the whole profile,
	// as it was handed over, so that it is best stored as JSON. It is called once for a SID, before
	// the first change is handed over, and again after a wait when it returns an error: a database
	// that is down is not "nothing known". It must be safe for concurrent use. When it is nil,
	// nothing is known.
	Known func(ctx context.Context, sid string) (*CustomerProfile, error)
	// Concurrency is how many requests are in flight at most, and how many calls of the handler and
	// of Known run at a time; 0: 16.
	Concurrency int
}

// Change is what a [Tracker] hands over: another state of a profile, or an error of its SID.
type Change struct {
	SID    string
	Before *CustomerProfile // as it was handed over last, or is recorded; nil: nothing is known
	After  *CustomerProfile // nil if there is an Err
	Fields []string         // what differs, by [ChangedFields]
	// Event is what Twilio has sent with the callback that announced this state; nil when there was
	// no callback, when the state was found before it came, and when the program has restarted
	// since.
	Event    *CallbackEvent
	Err      error     // of this SID, such as [ErrNotFound]
	PolledAt time.Time // when the request was sent that found it; zero if none was
}

// TrackerStats is what a tracker is doing at a moment.
type TrackerStats struct {
	Profiles int // that are tracked
	// SIDs that wait to be fetched ahead of the sweep, or whose change is not handled yet
	Pending      int
	LastSweep    time.Time     // when the last complete sweep ended; zero: none has
	SweepTime    time.Duration // how long it took
	LastSuccess  time.Time     // as in [Stats]: of the whole client
	FailingSince time.Time     // as in [Stats]: of the whole client
	// Changes counts those that were handled so far, by the status of the profile; "" for errors.
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

// Run tracks the profiles until ctx ends, whose error it returns, or until Twilio refuses the
// credentials, which is an [ErrUnauthorized]. It hands over each change by a call of handle.
//
// Order: for one SID, changes come one at a time and in the order in which Twilio was asked.
// Different SIDs are handled at the same time, up to Concurrency. States between two requests are
// not seen.
//
// Once: a change that handle has returned nil for does not come again. When handle returns an
// error, the change comes again after 1 s, then 2 s, up to a minute, and by then with the newest
// state of its SID; if that is the one handled last, there is no change any more. After the end of
// the process, the changes come again that [TrackerConfig.Known] does not know. So a change is
// handled exactly once if handle records After in the same transaction as what it does with it, and
// at least once otherwise.
//
// Errors: an error of a SID, Twilio's 404 included, is a Change with Err when it differs from the
// SID's last one by status, code or kind. The SID is asked again by each sweep. What would fail
// every SID, such as an invalid certificate, is logged, and tried again after 1 s, up to a minute.
//
// Outages: while Twilio is down, the sweep and the polls wait, as long as it takes, see
// [Client.FetchCustomerProfiles]; nothing of it is handed over. A sweep that takes longer than
// Every is followed by the next one at once, and logged.
//
// The end of ctx ends the requests. Run returns after the calls of handle that are under way; their
// context does not end with ctx, so that they can be completed: give them a time-out where they
// need one. Changes that are not handled by then come again in the next Run. A panic of SIDs,
// Known, handle or a middleware is raised again by Run. Only one Run may be under way; another one
// returns an error.
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
	if r.refused != nil {
		return r.refused
	}
	return ctx.Err()
}

// Poll fetches a profile soon, ahead of the sweep, and hands over what has changed. It may be
// called for a SID that is not tracked, too: at most 1,000 of these may wait. It returns
// [ErrInvalidSID], or an error when too many wait. It does not wait for Run.
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
// [Client.CallbackHandler] does, but Handle of the configuration is nil: the handler polls the
// profile. The response is 204 as soon as the SID is queued, also while Twilio is down, and 503
// when more than 1,000 SIDs wait that are not tracked. The end of the process loses what is queued;
// the next sweep finds the state, without the event.
//
// The event is handed over as [Change].Event with the first state of the profile that has its
// status. If the profile has another status yet, it is polled again after 2, 10 and 60 s. An event
// for another account than the profile's is dropped.
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

// trackerEvent is an event as the machine sees it.
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

// ask asks what is known, unless it was asked before.
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

// describeFailure is the same for errors that are not worth two changes.
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
