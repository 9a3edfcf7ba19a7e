package trackers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// tracking is a tracker of the fake's profiles, with the changes it handled and the database of a
// program.
type tracking struct {
	*trusthub.Tracker
	t     *testing.T
	fake  *trusthubtest.Handler
	start time.Time
	stop  context.CancelFunc
	done  chan struct{}
	err   error // of Run

	mu      sync.Mutex
	sids    []string
	known   map[string]*trusthub.CustomerProfile
	asked   []string // SIDs passed to Known
	changes []string // also those whose handler failed
	last    trusthub.Change
	fail    func(trusthub.Change) error
}

// track runs a tracker in a synctest bubble. It polls every minute, except when configure sets
// another interval.
func track(t *testing.T, test func(*tracking), configure ...func(*tracking, *trusthub.TrackerConfig) []trusthub.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &tracking{
			t: t, fake: trusthubtest.NewHandler(), start: time.Now(),
			sids: []string{sid}, known: make(map[string]*trusthub.CustomerProfile), fail: func(trusthub.Change) error { return nil },
		}
		s.put(sid, trusthub.StatusDraft)
		cfg := trusthub.TrackerConfig{SIDs: s.list, Every: time.Minute, Known: s.ask}
		var opts []trusthub.Option
		for _, configure := range configure {
			opts = append(opts, configure(s, &cfg)...)
		}
		var err error
		if s.Tracker, err = apitest.Over(t, s.fake, opts...).NewTracker(cfg); err != nil {
			t.Fatal(err)
		}
		s.run()
		test(s)
		s.stop()
		<-s.done
	})
}

func (s *tracking) run() {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.stop, s.done = cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		s.err = s.Run(ctx, s.handle)
	}()
}

func (s *tracking) list() iter.Seq[string] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Values(slices.Clone(s.sids))
}

func (s *tracking) ask(_ context.Context, sid string) (*trusthub.CustomerProfile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, sid)
	return s.known[sid], nil
}

// handle records a change as text, for example "draft>in-review [status]".
func (s *tracking) handle(_ context.Context, change trusthub.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	said := "nothing"
	if change.Before != nil {
		said = string(change.Before.Status)
	}
	if said += ">"; change.Err != nil {
		said += strings.Fields(change.Err.Error() + " ")[3]
	} else {
		said += string(change.After.Status)
	}
	if change.Before != nil && change.After != nil {
		said += fmt.Sprint(" ", change.Fields)
	}
	if change.Event != nil {
		said += " " + change.Event.FailureReason
	}
	s.changes, s.last = append(s.changes, said), change
	if err := s.fail(change); err != nil {
		return err
	}
	s.known[change.SID] = change.After
	return nil
}

func (s *tracking) put(sid string, status trusthub.CustomerProfileStatus) {
	s.fake.Put(trusthub.CustomerProfile{SID: sid, Status: status})
}

func (s *tracking) setFail(fail func(trusthub.Change) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// sees waits, and checks the changes since its last call.
func (s *tracking) sees(after time.Duration, want ...string) {
	s.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.changes, want) {
		s.t.Errorf("after %v: got %q, want %q", time.Since(s.start), s.changes, want)
	}
	s.changes = nil
}

func (s *tracking) poll(sid string) {
	s.t.Helper()
	if err := s.Poll(sid); err != nil {
		s.t.Error(err)
	}
}

var errDatabase = errors.New("the database is down")

func TestTracker(t *testing.T) {
	track(t, func(s *tracking) {
		s.sees(time.Second, "nothing>draft")
		s.sees(time.Hour)
		s.put(sid, trusthub.StatusInReview)
		s.sees(time.Minute, "draft>in-review [status]")
		if s.last.SID != sid || s.last.PolledAt.Before(s.start.Add(time.Hour)) || s.last.Err != nil {
			t.Errorf("got %+v", s.last)
		}
		s.put(sid, trusthub.StatusTwilioApproved)
		s.poll(sid)
		s.sees(0, "in-review>twilio-approved [status]")
		stats := s.Stats()
		if stats.Profiles != 1 || stats.Pending != 0 || time.Since(stats.LastSweep) > time.Minute || time.Since(stats.LastSuccess) > time.Minute ||
			stats.Changes[trusthub.StatusInReview] != 1 {
			t.Errorf("got %+v", stats)
		}
		if !slices.Equal(s.asked, []string{sid}) {
			t.Errorf("Known was asked %q", s.asked)
		}
		s.stop()
		<-s.done
		if !errors.Is(s.err, context.Canceled) {
			t.Errorf("Run: %v", s.err)
		}
	})
}

// A state that the program stored as JSON is no change after a restart.
func TestTrackerAfterRestart(t *testing.T) {
	recorded := func(s *tracking, _ *trusthub.TrackerConfig) []trusthub.Option {
		profile, err := apitest.Over(s.t, s.fake).FetchCustomerProfile(s.t.Context(), sid)
		if err != nil {
			t.Fatal(err)
		}
		s.known[sid] = profile
		s.sids = append(s.sids, apitest.UnknownSID)
		return nil
	}
	track(t, func(s *tracking) {
		s.sees(time.Hour, "nothing>404")
		if !errors.Is(s.last.Err, trusthub.ErrNotFound) {
			t.Errorf("got %v", s.last.Err)
		}
		s.put(sid, trusthub.StatusInReview)
		s.sees(time.Minute, "draft>in-review [status]")
	}, recorded)
}

func TestTrackerHandlerFails(t *testing.T) {
	track(t, func(s *tracking) {
		s.sees(0, "nothing>draft")
		s.sees(time.Second, "nothing>draft")
		s.sees(2*time.Second, "nothing>draft")
		s.put(sid, trusthub.StatusInReview)
		s.poll(sid)
		s.sees(3 * time.Second)
		s.sees(time.Second, "nothing>in-review") // the newest state, at the time of the retry
		s.setFail(func(trusthub.Change) error { return nil })
		s.sees(time.Minute, "nothing>in-review")
		s.sees(time.Hour)
	}, func(s *tracking, _ *trusthub.TrackerConfig) []trusthub.Option {
		s.fail = func(trusthub.Change) error { return errDatabase }
		return nil
	})
}

// An error of Known is retried. It does not mean that the SID is new.
func TestTrackerKnownFails(t *testing.T) {
	var log bytes.Buffer
	recorded := &trusthub.CustomerProfile{SID: sid, Status: trusthub.StatusDraft}
	track(t, func(s *tracking) {
		s.sees(59 * time.Second)
		s.put(sid, trusthub.StatusInReview)
		s.sees(5*time.Minute, "draft>in-review [status]")
		if !strings.Contains(log.String(), "change not handled") || strings.Contains(log.String(), errDatabase.Error()) {
			t.Errorf("logged %s", &log)
		}
	}, func(s *tracking, cfg *trusthub.TrackerConfig) []trusthub.Option {
		cfg.Known = func(context.Context, string) (*trusthub.CustomerProfile, error) {
			if time.Since(s.start) < 3*time.Minute {
				return nil, errDatabase
			}
			return recorded, nil
		}
		return []trusthub.Option{trusthub.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))}
	})
}

// Changes of one SID are handled one at a time, and those of other SIDs meanwhile. Polls continue
// while handlers are slow.
func TestTrackerSlowHandler(t *testing.T) {
	track(t, func(s *tracking) {
		other := apitest.NumberedSID(1)
		s.put(other, trusthub.StatusDraft)
		s.sees(time.Second, "nothing>draft")
		s.put(sid, trusthub.StatusInReview)
		s.poll(sid)
		s.poll(other)
		s.sees(time.Second, "nothing>draft")
		s.sees(10*time.Minute, "draft>in-review [status]")
	}, func(s *tracking, _ *trusthub.TrackerConfig) []trusthub.Option {
		busy := 0
		s.fail = func(change trusthub.Change) error {
			if change.SID != sid {
				return nil
			}
			if busy++; busy > 1 {
				s.t.Error("two handlers at a time")
			}
			s.mu.Unlock()
			time.Sleep(10 * time.Minute)
			s.mu.Lock()
			busy--
			return nil
		}
		return nil
	})
}

func TestTrackerErrors(t *testing.T) {
	status := 0
	track(t, func(s *tracking) {
		s.fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return trusthubtest.Fault{Status: status}, status > 0
		})
		answer := func(code int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			status = code
		}
		s.sees(time.Second, "nothing>draft")
		answer(404)
		s.sees(5*time.Minute, "draft>404")
		answer(403)
		s.sees(5*time.Minute, "draft>403")
		if s.last.After != nil || s.last.Fields != nil || !errors.Is(s.last.Err, trusthub.ErrForbidden) {
			t.Errorf("got %+v", s.last)
		}
		answer(0)
		s.sees(5 * time.Minute) // same state as before
		answer(403)
		s.sees(5*time.Minute, "draft>403")
		answer(401)
		s.sees(5 * time.Minute)
		if <-s.done; !errors.Is(s.err, trusthub.ErrUnauthorized) {
			t.Errorf("Run: %v", s.err)
		}
	})
}

// During an outage, no change is handled. No state and no poll is lost.
func TestTrackerOutage(t *testing.T) {
	track(t, func(s *tracking) {
		s.sees(time.Second, "nothing>draft")
		s.put(sid, trusthub.StatusInReview)
		s.fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) {
			return trusthubtest.Fault{Status: 503}, time.Since(s.start) < 9*time.Hour
		})
		s.poll(apitest.NumberedSID(7))
		s.put(apitest.NumberedSID(7), trusthub.StatusDraft)
		s.sees(8 * time.Hour)
		if stats := s.Stats(); stats.Pending != 1 || time.Since(stats.FailingSince) < 7*time.Hour {
			t.Errorf("got %+v", stats)
		}
		time.Sleep(time.Hour + time.Minute)
		s.mu.Lock()
		slices.Sort(s.changes)
		s.mu.Unlock()
		s.sees(0, "draft>in-review [status]", "nothing>draft")
	})
}

// A permanent error of the Auth is not reported as an error of the SID.
func TestTrackerCannotFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, fake, calls := time.Now(), trusthubtest.NewHandler(), 0
		var log bytes.Buffer
		auth := trusthub.AuthFunc(func(r *http.Request) error {
			if calls++; time.Since(start) < time.Hour {
				return errors.New("no token")
			}
			return apitest.Credentials().Authorize(r)
		})
		client := apitest.Client(t, auth, fake, trusthub.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		tracker, err := client.NewTracker(trusthub.TrackerConfig{SIDs: func() iter.Seq[string] { return slices.Values([]string{sid}) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		var got []trusthub.Change
		err = tracker.Run(ctx, func(_ context.Context, change trusthub.Change) error { got = append(got, change); return nil })
		if len(got) != 1 || got[0].Err != nil || !errors.Is(err, context.DeadlineExceeded) || calls > 100 {
			t.Errorf("got %+v, %v, %d calls", got, err, calls)
		}
		if !strings.Contains(log.String(), "tracker cannot fetch") {
			t.Errorf("logged %s", &log)
		}
	})
}

func TestTrackerSweepIsLate(t *testing.T) {
	var log bytes.Buffer
	track(t, func(s *tracking) {
		time.Sleep(time.Hour - time.Second)
		s.stop()
		<-s.done
		if n := len(s.fake.Requests()); n != 40 {
			t.Errorf("%d sweeps", n)
		}
		// the last sweep is in progress
		if n := strings.Count(log.String(), "sweep took longer"); n != 39 {
			t.Errorf("%d of them late", n)
		}
		s.changes = nil
	}, func(s *tracking, _ *trusthub.TrackerConfig) []trusthub.Option {
		s.fake.Delay(90 * time.Second)
		return []trusthub.Option{trusthub.WithTimeout(time.Hour), trusthub.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))}
	})
}

func TestTrackerForgets(t *testing.T) {
	track(t, func(s *tracking) {
		s.sees(time.Second, "nothing>draft")
		s.mu.Lock()
		s.sids = nil
		s.mu.Unlock()
		s.sees(2 * time.Minute)
		if n := s.Stats().Profiles; n != 0 {
			t.Errorf("%d profiles", n)
		}
		s.poll(sid)
		s.sees(time.Second)
		if len(s.asked) != 2 {
			t.Errorf("Known was asked %q", s.asked)
		}
	})
}

// Run waits for a running handler after the end of the context. A change that was not handled is
// handled by the next Run.
func TestTrackerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.Put(trusthub.CustomerProfile{SID: apitest.NumberedSID(1)})
		sids := func() iter.Seq[string] { return slices.Values([]string{sid, apitest.NumberedSID(1)}) }
		tracker, err := apitest.Over(t, fake).NewTracker(trusthub.TrackerConfig{SIDs: sids, Concurrency: 1})
		if err != nil {
			t.Fatal(err)
		}
		var handled []string
		run := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return tracker.Run(ctx, func(ctx context.Context, change trusthub.Change) error {
				if err := tracker.Run(ctx, nil); err == nil {
					t.Error("two runs at a time")
				}
				time.Sleep(10 * time.Minute)
				handled = append(handled, change.SID)
				return ctx.Err()
			})
		}
		for range 3 {
			if err := run(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		if want := []string{sid, apitest.NumberedSID(1)}; !slices.Equal(handled, want) {
			t.Errorf("handled %q, want %q", handled, want)
		}
	})
}

func TestTrackerPanics(t *testing.T) {
	broken := errors.New("broken")
	for _, name := range []string{"SIDs", "Known", "handle"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				breaks := func(in string) {
					if in == name {
						panic(broken)
					}
				}
				tracker, err := apitest.Over(t, trusthubtest.NewHandler()).NewTracker(trusthub.TrackerConfig{
					SIDs:  func() iter.Seq[string] { breaks("SIDs"); return slices.Values([]string{sid}) },
					Known: func(context.Context, string) (*trusthub.CustomerProfile, error) { breaks("Known"); return nil, nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if value, _ := recover().(error); !errors.Is(value, broken) {
						t.Errorf("recovered %v", value)
					}
				}()
				err = tracker.Run(t.Context(), func(context.Context, trusthub.Change) error { breaks("handle"); return nil })
				t.Errorf("returned %v", err)
			})
		})
	}
}

func TestTrackerConfig(t *testing.T) {
	client := apitest.Over(t, trusthubtest.NewHandler())
	sids := func() iter.Seq[string] { return slices.Values([]string{sid}) }
	for field, cfg := range map[string]trusthub.TrackerConfig{
		"SIDs":        {},
		"Every":       {SIDs: sids, Every: -1},
		"Concurrency": {SIDs: sids, Concurrency: 1 << 20},
	} {
		if _, err := client.NewTracker(cfg); err == nil || !strings.Contains(err.Error(), "TrackerConfig."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	tracker, err := client.NewTracker(trusthub.TrackerConfig{SIDs: sids})
	if err != nil {
		t.Fatal(err)
	}
	if err := tracker.Poll("BU"); !errors.Is(err, trusthub.ErrInvalidSID) {
		t.Errorf("got %v", err)
	}
	for i := range 1000 {
		if err := tracker.Poll(apitest.NumberedSID(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tracker.Poll(apitest.NumberedSID(1000)); err == nil {
		t.Error("queued without a bound")
	}
	config := trusthub.CallbackConfig{PublicURL: "https://app.example.com", Keys: []trusthub.SigningKey{trusthub.AuthToken("x")}}
	if _, err := tracker.CallbackHandler(config); err != nil {
		t.Error(err)
	}
	config.Handle = func(context.Context, *trusthub.CustomerProfile, trusthub.CallbackEvent) error { return nil }
	if _, err := tracker.CallbackHandler(config); err == nil {
		t.Error("Handle is accepted")
	}
	if _, err := tracker.CallbackHandler(trusthub.CallbackConfig{}); err == nil {
		t.Error("an empty configuration is accepted")
	}
}

// caller returns a function that sends a callback about a profile and returns the status.
func (s *tracking) caller() func(sid string, values ...string) int {
	handler, err := s.CallbackHandler(trusthub.CallbackConfig{
		PublicURL: "https://app.example.com", Keys: []trusthub.SigningKey{trusthub.AuthToken(trusthubtest.Password)},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return func(sid string, values ...string) int {
		url := "https://app.example.com/" + sid
		r := httptest.NewRequest(http.MethodPost, url, strings.NewReader(strings.Join(values, "&")))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		trusthubtest.SignCallback(r, url)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		return recorder.Code
	}
}

func TestTrackerCallbacks(t *testing.T) {
	track(t, func(s *tracking) {
		call := s.caller()
		s.sees(time.Second, "nothing>draft")
		s.put(sid, trusthub.StatusTwilioRejected)
		if status := call(sid, "Status=twilio-rejected", "FailureReason=no+address"); status != http.StatusNoContent {
			t.Errorf("status %d", status)
		}
		s.sees(0, "draft>twilio-rejected [status] no address")

		call(sid, "Status=twilio-approved", "FailureReason=early") // before the profile changes
		time.Sleep(8 * time.Second)
		s.put(sid, trusthub.StatusTwilioApproved)
		s.sees(3*time.Second, "twilio-rejected>twilio-approved [status] early")

		s.fake.Put(trusthub.CustomerProfile{SID: sid, AccountSID: trusthubtest.Username, Status: trusthub.StatusDraft})
		call(sid, "Status=draft", "FailureReason=foreign", "AccountSid=AC00")
		s.sees(time.Second, "twilio-approved>draft [account_sid status]")

		for i := range 1001 {
			want := http.StatusNoContent
			if i == 1000 {
				want = http.StatusServiceUnavailable
			}
			if status := call(apitest.NumberedSID(i)); status != want {
				t.Fatalf("%d: status %d", i, status)
			}
		}
		s.stop()
		<-s.done
		s.changes = nil
	})
}

// An event goes with its state, also when another event comes late, or an error comes between.
func TestTrackerEventsOutOfOrder(t *testing.T) {
	rejected := []string{"Status=twilio-rejected", "FailureReason=no+address"}
	for name, test := range map[string]func(s *tracking, call func(string, ...string) int){
		"a late event before the poll": func(s *tracking, call func(string, ...string) int) {
			s.put(sid, trusthub.StatusTwilioRejected)
			call(sid, rejected...)
			call(sid, "Status=in-review")
		},
		"a late event while one waits": func(s *tracking, call func(string, ...string) int) {
			call(sid, rejected...)
			time.Sleep(time.Second / 2)
			call(sid, "Status=draft")
			time.Sleep(time.Second / 2)
			s.put(sid, trusthub.StatusTwilioRejected)
		},
		"an error while the handler fails": func(s *tracking, call func(string, ...string) int) {
			s.setFail(func(trusthub.Change) error { return errDatabase })
			s.put(sid, trusthub.StatusTwilioRejected)
			call(sid, rejected...)
			time.Sleep(40 * time.Second)
			s.fake.Fail(trusthubtest.Fault{Status: http.StatusForbidden})
			for range 2 {
				_ = s.Poll(sid)
				time.Sleep(time.Second)
			}
			s.setFail(func(trusthub.Change) error { return nil })
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changes = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			track(t, func(s *tracking) {
				call := s.caller()
				s.sees(time.Second, "nothing>draft")
				test(s, call)
				s.sees(time.Minute, "draft>twilio-rejected [status] no address")
			})
		})
	}
}

func TestProfileErrorTexts(t *testing.T) {
	profile := &trusthub.CustomerProfile{Errors: []trusthub.CustomerProfileError{{Code: 18603}, {Code: 18699}, {}}}
	want := []string{"the address cannot be verified (18603)", "https://www.twilio.com/docs/api/errors/18699", "an error without a code"}
	if got := trusthub.ProfileErrorTexts(profile); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := trusthub.ProfileErrorTexts(nil); got != nil {
		t.Errorf("of no profile: %q", got)
	}
}

func TestChangedFields(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const precise = `{"errors":[{"code":1,"n":9007199254740993}]}`
	decoded := func(body string) *trusthub.CustomerProfile {
		profile, err := apitest.Over(t, apitest.CannedJSON(body)).FetchCustomerProfile(t.Context(), sid)
		if err != nil {
			t.Fatal(err)
		}
		return profile
	}
	stored := new(trusthub.CustomerProfile) // decoded by encoding/json
	if text, err := json.Marshal(decoded(precise)); err != nil || json.Unmarshal(text, stored) != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		before, after *trusthub.CustomerProfile
		want          []string
	}{
		"nothing":    {nil, nil, nil},
		"nil before": {nil, &trusthub.CustomerProfile{Status: trusthub.StatusDraft, SID: sid}, []string{"sid", "status"}},
		"nil after":  {&trusthub.CustomerProfile{DateUpdated: &at}, nil, []string{"date_updated"}},
		"empty": {
			&trusthub.CustomerProfile{Links: map[string]string{}, Errors: []trusthub.CustomerProfileError{}},
			&trusthub.CustomerProfile{}, nil,
		},
		"zone of a time": {
			&trusthub.CustomerProfile{ValidUntil: &at},
			&trusthub.CustomerProfile{ValidUntil: new(at.In(time.FixedZone("", 3600)))}, nil,
		},
		"order": {
			&trusthub.CustomerProfile{Links: map[string]string{"a": "b"}, Status: trusthub.StatusDraft},
			&trusthub.CustomerProfile{Links: map[string]string{"a": "c"}, Status: trusthub.StatusInReview},
			[]string{"status", "links"},
		},
		"stored by encoding/json": {decoded(precise), stored, nil},
		"further keys of an error": {
			decoded(`{"errors":[{"code":1,"n":1}]}`), decoded(`{"errors":[{"code":1,"n":2}]}`), []string{"errors"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := trusthub.ChangedFields(test.before, test.after); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A SID that is polled while Run ends is fetched by the next Run.
func TestTrackerPollsAsRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const runs = 1000
		handled := make(map[string]bool)
		tracker, _ := newTracker(t, apitest.CannedJSON(`{"status":"draft"}`), trusthub.TrackerConfig{SIDs: numbered(0), Concurrency: 1})
		for i := range runs {
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() {
				_ = tracker.Run(ctx, func(_ context.Context, change trusthub.Change) error { handled[change.SID] = true; return nil })
			})
			synctest.Wait()
			if err := tracker.Poll(apitest.NumberedSID(i)); err != nil {
				t.Error(err)
			}
			if i == runs-1 {
				time.Sleep(2 * time.Second) // also for jobs that the end of a Run has cut short
			}
			cancel()
			running.Wait()
		}
		if len(handled) != runs || tracker.Stats().Pending > 0 {
			t.Errorf("%d of %d handled, %d pending", len(handled), runs, tracker.Stats().Pending)
		}
	})
}
