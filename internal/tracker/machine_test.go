package tracker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub/internal/tracker"
)

// script calls a machine in virtual time.
type script struct {
	*tracker.Machine
	t   *testing.T
	now time.Time
}

func newScript(t *testing.T, sids ...string) *script {
	t.Helper()
	s := &script{new(tracker.Machine), t, time.Unix(1000, 0)}
	s.sweep(sids...)
	return s
}

// sweep begins a sweep with SIDs.
func (s *script) sweep(sids ...string) {
	s.BeginSweep()
	for _, sid := range sids {
		s.Add(sid)
	}
}

func (s *script) wait(d time.Duration) {
	s.now = s.now.Add(d)
	s.Tick(s.now)
}

// status is an event that matches a profile with this status.
type status string

func (e status) Match(of, _ string) tracker.Match {
	if e == "" || string(e) == of {
		return tracker.Shown
	}
	return tracker.NotYet
}

func (s *script) poll(sid string, event tracker.Event) {
	s.t.Helper()
	if err := s.Poll(sid, event, s.now); err != nil {
		s.t.Errorf("Poll(%s): %v", sid, err)
	}
}

// land reports a state whose request was sent now.
func (s *script) land(sid, state string) { s.landSent(sid, state, s.now) }

func (s *script) landSent(sid, state string, sent time.Time) {
	s.Land(sid, tracker.Seen{SentAt: sent, State: []byte(state), Status: state}, s.now)
}

func (s *script) landError(sid, failure string) {
	s.Land(sid, tracker.Seen{SentAt: s.now, Err: errors.New(failure), Failure: failure}, s.now)
}

// polls and swept return the SIDs to fetch.
func (s *script) polls() string { return drain(s.NextPoll) }
func (s *script) swept() string { return drain(s.NextOfSweep) }

func drain(next func() (string, bool)) string {
	var all []string
	for {
		sid, ok := next()
		if !ok {
			return strings.Join(all, " ")
		}
		all = append(all, sid)
	}
}

// job returns the next job and its description. If the base state is not known, it is set to none.
func (s *script) job() (*tracker.Job, string) {
	job, ok := s.NextJob()
	if !ok {
		return nil, "none"
	}
	if !job.IsKnown {
		s.Known(&job, nil)
	}
	now := string(job.Seen.State) + job.Seen.Failure
	said := fmt.Sprintf("%s %s>%s", job.SID, job.Base, now)
	if job.Event != nil {
		said += fmt.Sprintf(" by %v", job.Event)
	}
	return &job, said
}

// handles expects these jobs and completes them.
func (s *script) handles(want ...string) {
	s.t.Helper()
	for _, want := range append(want, "none") {
		job, got := s.job()
		if got != want {
			s.t.Errorf("the job is %q, want %q", got, want)
		}
		if job != nil {
			s.Done(job)
		}
	}
}

// fails expects a job and makes it fail.
func (s *script) fails(want string) time.Duration {
	s.t.Helper()
	job, got := s.job()
	if got != want {
		s.t.Fatalf("the job is %q, want %q", got, want)
	}
	return s.Failed(job, s.now)
}

func (s *script) expect(what, got, want string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestOneRequestAtATime(t *testing.T) {
	s := newScript(t, "a", "b", "a")
	s.poll("a", nil)
	s.expect("polls", s.polls(), "a")
	s.expect("sweep", s.swept(), "b")
	s.poll("b", nil)
	s.expect("polls", s.polls(), "")
	s.wait(time.Second)
	s.landSent("b", "1", s.now.Add(-2*time.Second))
	s.expect("polls", s.polls(), "b")
}

func TestPollIsQueuedOnce(t *testing.T) {
	s := newScript(t, "a", "b")
	for range 3 {
		s.poll("a", nil)
		s.poll("b", nil)
	}
	s.expect("sweep", s.swept(), "")
	s.expect("polls", s.polls(), "a b")
	s.land("a", "1")
	s.land("b", "1")
	s.handles("a >1", "b >1")
	s.expect("polls", s.polls(), "")
	if s.Pending() > 0 {
		t.Errorf("%d pending", s.Pending())
	}
}

func TestPollWhileARequestIsUnderWay(t *testing.T) {
	for name, test := range map[string]struct {
		sent  time.Duration // relative to the poll
		polls string
	}{"sent before": {-1, "a"}, "sent later": {1, ""}} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "a")
			s.swept()
			s.poll("a", nil)
			s.landSent("a", "1", s.now.Add(test.sent))
			s.handles("a >1")
			s.expect("polls", s.polls(), test.polls)
		})
	}
}

// Jobs of polls are handled before jobs of the sweep.
func TestJobsOfPollsAreHandledFirst(t *testing.T) {
	s := newScript(t, "a", "b", "c")
	s.poll("c", nil)
	s.expect("polls", s.polls(), "c")
	s.swept()
	for _, sid := range []string{"a", "b", "c"} {
		s.land(sid, "1")
	}
	s.handles("c >1", "a >1", "b >1")
}

func TestNoVerdict(t *testing.T) {
	s := newScript(t, "a", "b", "c")
	s.poll("a", nil)
	s.expect("polls", s.polls(), "a")
	s.expect("sweep", s.swept(), "b c")
	s.poll("c", nil)
	for _, sid := range []string{"a", "b", "c"} {
		s.Return(sid, s.now)
	}
	s.handles()
	s.expect("polls", s.polls(), "a c")
	s.expect("sweep", s.swept(), "b")
	for _, sid := range []string{"a", "b", "c"} {
		if s.IsSwept() != (sid == "c") {
			t.Error("before", sid)
		}
		s.land(sid, "1")
	}
}

func TestUnchanged(t *testing.T) {
	s := newScript(t, "a")
	for _, step := range []struct{ state, failure, job string }{
		{"1", "", "a >1"},
		{"1", "", ""},
		{"", "404", "a 1>404"},
		{"", "404", ""},
		{"", "500", "a 1>500"},
		{"1", "", ""}, // the end of the error
		{"", "500", "a 1>500"},
		{"2", "", "a 1>2"},
	} {
		s.sweep("a")
		s.expect("sweep", s.swept(), "a")
		if step.failure != "" {
			s.landError("a", step.failure)
		} else {
			s.land("a", step.state)
		}
		if step.job != "" {
			s.handles(step.job)
		}
		s.handles()
	}
}

func TestFailedJob(t *testing.T) {
	s := newScript(t, "a")
	s.swept()
	s.land("a", "1")
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if wait := s.fails("a >1"); wait != want*time.Second {
			t.Errorf("wait %v, want %v s", wait, want)
		}
		s.handles()
		if due := s.Due(); !due.Equal(s.now.Add(want * time.Second)) {
			t.Errorf("due at %v", due)
		}
		s.wait(want * time.Second)
	}
	s.fails("a >1")
	s.sweep("a")
	s.swept()
	s.land("a", "2")
	s.handles()
	s.wait(time.Minute)
	s.handles("a >2")

	s.sweep("a") // fails, and the next state is the handled one again
	s.swept()
	s.land("a", "3")
	s.fails("a 2>3")
	s.poll("a", nil)
	s.polls()
	s.land("a", "2")
	s.wait(time.Minute)
	s.handles()
	if s.Pending() > 0 {
		t.Errorf("%d pending", s.Pending())
	}
}

// The base state of a SID is requested again after an error.
func TestKnownFails(t *testing.T) {
	s := newScript(t, "a", "b")
	s.swept()
	s.land("a", "1")
	s.land("b", "1")
	a, _ := s.NextJob()
	s.Failed(&a, s.now)
	b, _ := s.NextJob()
	if s.Known(&b, []byte("1")); b.IsChange() {
		t.Error("the known state is a change")
	}
	s.Done(&b)
	s.wait(time.Second)
	if a, _ = s.NextJob(); a.SID != "a" || a.IsKnown {
		t.Errorf("the job is %+v", a)
	}
	s.Known(&a, []byte("0"))
	if string(a.Base) != "0" || !a.IsChange() {
		t.Errorf("the job is %+v", a)
	}
}

func TestNewerStateWhileHandling(t *testing.T) {
	s := newScript(t, "a")
	s.swept()
	s.land("a", "1")
	job, _ := s.job()
	for _, state := range []string{"2", "3"} {
		s.poll("a", nil)
		s.polls()
		s.land("a", state)
	}
	if other, said := s.job(); other != nil {
		t.Errorf("two jobs at a time: %s", said)
	}
	s.Done(job)
	s.handles("a 1>3")
}

func TestEventFollowUps(t *testing.T) {
	t.Run("never shown", func(t *testing.T) {
		s := newScript(t, "a")
		s.poll("a", status("approved"))
		for _, wait := range []time.Duration{0, 2, 8, 50} { // 2, 10 and 60 s after the first poll
			s.wait(wait*time.Second - min(wait, 1))
			s.expect("polls early", s.polls(), strings.Repeat("a", 1-int(min(wait, 1))))
			if s.wait(min(wait, 1)); wait > 0 {
				s.expect("polls", s.polls(), "a")
			}
			s.land("a", "draft")
		}
		s.handles("a >draft")
		s.wait(time.Hour)
		s.expect("polls", s.polls(), "")
		if s.Pending() > 0 {
			t.Errorf("%d pending", s.Pending())
		}
	})
	t.Run("shown later", func(t *testing.T) {
		s := newScript(t, "a")
		s.poll("a", status("approved"))
		s.polls()
		s.land("a", "draft")
		s.handles("a >draft")
		s.wait(2 * time.Second)
		s.polls()
		s.land("a", "approved")
		s.fails("a draft>approved by approved")
		s.wait(time.Minute)
		s.handles("a draft>approved by approved")
		s.expect("polls", s.polls(), "")
	})
	t.Run("shown to a sweep", func(t *testing.T) {
		s := newScript(t, "a")
		s.poll("a", status("approved"))
		s.polls()
		s.land("a", "draft")
		s.handles("a >draft")
		s.sweep("a")
		s.swept()
		s.land("a", "approved")
		s.handles("a draft>approved by approved")
		s.wait(time.Hour)
		s.expect("polls", s.polls(), "")
	})
	t.Run("not of the newest state", func(t *testing.T) {
		s := newScript(t, "a")
		s.poll("a", status("approved"))
		s.polls()
		s.land("a", "approved")
		s.poll("a", nil)
		s.polls()
		s.land("a", "draft")
		s.handles("a >draft")
	})
	t.Run("without a status", func(t *testing.T) {
		s := newScript(t, "a")
		s.poll("a", status(""))
		s.polls()
		s.land("a", "draft")
		s.handles("a >draft by ")
	})
	t.Run("a newer one", func(t *testing.T) {
		s := newScript(t, "a")
		s.poll("a", status("approved"))
		s.poll("a", status("rejected"))
		s.expect("polls", s.polls(), "a")
		s.land("a", "rejected")
		s.handles("a >rejected by rejected")
	})
}

func TestForgotten(t *testing.T) {
	s := newScript(t, "a", "b", "c")
	s.swept()
	for _, sid := range []string{"a", "b", "c"} {
		s.land(sid, "1")
	}
	s.EndSweep()
	s.handles("a >1", "b >1", "c >1")

	s.poll("b", nil)
	s.polls()
	s.sweep("a")
	s.expect("tracked", fmt.Sprint(s.Tracked()), "3")
	s.EndSweep()
	s.expect("tracked", fmt.Sprint(s.Tracked()), "1")
	s.land("b", "2")
	s.handles("b 1>2") // not handled before the end of the sweep

	s.sweep("a", "b", "c")
	s.EndSweep()
	s.poll("b", nil)
	s.poll("c", nil)
	s.polls()
	s.land("b", "2")
	s.land("c", "1")
	s.handles("b >2", "c >1") // tracked as new SIDs
	s.expect("tracked", fmt.Sprint(s.Tracked()), "3")
}

func TestUntracked(t *testing.T) {
	s := newScript(t, "a")
	for i := range 1000 {
		s.poll(fmt.Sprint(i), nil)
	}
	if err := s.Poll("one more", nil, s.now); !errors.Is(err, tracker.ErrFull) {
		t.Errorf("got %v", err)
	}
	s.poll("a", nil)
	s.poll("7", nil)
	s.polls()
	s.landError("7", "404")
	s.handles("7 >404")
	s.poll("one more", nil)
	s.expect("pending", fmt.Sprint(s.Pending()), "1001")
	s.expect("tracked", fmt.Sprint(s.Tracked()), "1")
}

// A SID is found in upper or lower case. It is reported in the spelling of the sweep.
func TestCaseOfSID(t *testing.T) {
	s := newScript(t)
	s.poll("BUABC", nil)
	s.sweep("BUabc")
	s.expect("polls", s.polls(), "BUabc")
	s.land("BUABc", "1")
	s.handles("BUabc >1")
}

// An event whose state an error replaces is polled for, and dropped in the end.
func TestEventReplacedByError(t *testing.T) {
	s := newScript(t, "a")
	s.swept()
	s.land("a", "draft")
	s.handles("a >draft")
	s.poll("a", status("approved"))
	s.polls()
	s.land("a", "approved")
	job, _ := s.job()
	s.sweep("a")
	s.swept()
	s.landError("a", "404")
	s.Failed(job, s.now)
	s.wait(time.Second)
	s.handles("a draft>404")
	polls := 0
	for range 100 {
		s.wait(time.Second)
		if s.polls() != "" {
			polls++
			s.landError("a", "404")
		}
	}
	if polls != 3 || s.Pending() != 0 {
		t.Errorf("%d polls, %d pending", polls, s.Pending())
	}
}
