package outage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub/internal/retry"
)

// script calls a machine with events in virtual time, and records its actions.
type script struct {
	t       *testing.T
	m       machine
	backoff retry.Backoff
	now     time.Time
	did     []string
	calls   map[string]*Call
	canary  *Call
}

func newScript(t *testing.T, maxOutage time.Duration) *script {
	s := &script{t: t, now: time.Unix(1000, 0), calls: make(map[string]*Call), backoff: retry.NewBackoff(time.Second, 4*time.Second)}
	s.m = machine{maxAttempts: 2, maxOutage: maxOutage, places: 32, backoff: &s.backoff, do: s}
	return s
}

func (s *script) wake(*Call)         {}
func (s *script) hold()              { s.did = append(s.did, "hold") }
func (s *script) resume()            { s.did = append(s.did, "resume") }
func (s *script) admit(c *Call)      { s.did = append(s.did, "admit "+c.sid) }
func (s *script) report(begins bool) { s.did = append(s.did, fmt.Sprint("report ", begins)) }
func (s *script) end()               { s.did = append(s.did, "end"); s.m.ended = true }
func (s *script) ask(sid string) *Call {
	s.did = append(s.did, "ask "+sid)
	s.canary = &Call{sid: sid, canary: true, state: ready}
	return s.canary
}

// begin adds new calls.
func (s *script) begin(sids ...string) {
	for _, sid := range sids {
		s.calls[sid] = &Call{sid: sid}
		s.m.pull()
		s.m.begin(s.calls[sid], s.now)
	}
}

func (s *script) call(sid string) *Call {
	if sid == "canary" {
		return s.canary
	}
	if s.calls[sid] == nil {
		s.begin(sid)
	}
	return s.calls[sid]
}

func (s *script) send(sids ...string) {
	for _, sid := range sids {
		s.m.send(s.call(sid))
	}
}

func (s *script) succeed(sids ...string) {
	for _, sid := range sids {
		s.m.succeed(s.call(sid), s.now)
	}
}

func (s *script) fail(sids ...string) {
	for _, sid := range sids {
		s.m.fail(s.call(sid), time.Second, false, s.now)
	}
}

// wait advances the time, and settles every 100 ms.
func (s *script) wait(d time.Duration) {
	for range d / (100 * time.Millisecond) {
		s.now = s.now.Add(100 * time.Millisecond)
		s.m.settle(s.now)
	}
}

// does checks the actions since the last call.
func (s *script) does(want ...string) {
	s.t.Helper()
	if !slices.Equal(s.did, want) {
		s.t.Errorf("did %q, want %q", s.did, want)
	}
	s.did = nil
}

func (s *script) is(sid string, want state) {
	s.t.Helper()
	if got := s.call(sid).state; got != want {
		s.t.Errorf("%s: state %d, want %d", sid, got, want)
	}
}

// goDown makes eight calls fail, after which the API counts as down.
func (s *script) goDown() []string {
	sids := strings.Split("b1 b2 b3 b4 b5 b6 b7 b8", " ")
	s.send(sids...)
	s.fail(sids...)
	return sids
}

func TestFailureCountsAfterALaterSuccess(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("early", "bad")
	s.fail("bad")
	s.succeed("early") // sent before the failure
	s.is("bad", parked)
	s.send("late")
	s.succeed("late")
	s.is("bad", scheduled)
	s.does()
}

func TestCallEndsAfterMaxAttempts(t *testing.T) {
	s := newScript(t, time.Hour)
	for _, other := range []string{"one", "two"} {
		s.send("bad")
		s.fail("bad")
		if other == "two" && s.m.sendsAgain(s.call("bad")) {
			t.Error("another attempt is certain after MaxAttempts failures")
		}
		s.send(other)
		s.succeed(other)
	}
	s.is("bad", spent)
	s.send("asks much")
	s.m.fail(s.call("asks much"), 2*time.Hour, false, s.now)
	s.send("three")
	s.succeed("three")
	s.is("asks much", spent)
}

func TestEightInARowAreAnOutage(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("good", "other")
	s.succeed("good")
	sids := s.goDown()[:7]
	s.does("hold")
	for _, sid := range sids {
		s.is(sid, parked)
	}
	s = newScript(t, time.Hour)
	s.send("1", "2", "3", "4", "5", "6", "7", "newest", "8")
	s.fail("1", "2", "3", "4", "5", "6", "7")
	s.succeed("newest") // sent after the seven
	s.fail("8")
	s.does()
	s = newScript(t, time.Hour)
	late := []string{"1", "2", "3", "4", "5", "6", "7", "8"}
	s.send(late...)
	s.send("newest")
	s.succeed("newest")
	s.fail(late...) // sent before the success
	s.does()
}

// The intervals between probes start again with each outage.
func TestFirstProbeComesSoon(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("a")
	s.fail("a")
	for range 5 {
		s.wait(5 * time.Second)
		s.send("a")
		s.fail("a")
	}
	s.did = nil
	s.goDown()
	s.wait(2 * time.Second)
	if s.m.probe == nil {
		t.Error("no probe within twice the shortest interval")
	}
}

// A waiting call does not keep other calls in memory.
func TestFreshCallsAreReleased(t *testing.T) {
	s := newScript(t, time.Hour)
	s.begin("a", "b")
	s.send("a", "b")
	if s.call("a").next != nil {
		t.Error("a call refers to the next one")
	}
}

func TestRetriesAreNoOutage(t *testing.T) {
	s := newScript(t, time.Hour)
	s.m.maxAttempts = 9
	bad := []string{"1", "2", "3", "4", "5", "6", "7"}
	for _, other := range []string{"a", "b", "c"} {
		s.send(bad...)
		s.fail(bad...)
		s.send(other)
		s.succeed(other)
	}
	s.send(bad...)
	s.fail(bad...)
	s.send("new")
	s.fail("new")
	s.does()
}

func TestCanaryThatFails(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("good")
	s.succeed("good")
	s.send("bad")
	s.fail("bad")
	s.wait(2 * time.Second)
	s.does("ask good")
	s.send("canary")
	s.fail("canary")
	s.does("hold", "report true")
}

func TestCanaryDecides(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("a", "b", "c", "d")
	s.succeed("a", "b", "c", "d")
	s.send("bad")
	s.fail("bad")
	s.wait(2 * time.Second)
	s.does("ask b") // one of the last three successes
	s.send("canary")
	s.succeed("canary")
	s.is("bad", scheduled)
	s.wait(time.Minute)
	s.does()
}

func TestProbesTakeTurns(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("good")
	s.succeed("good")
	s.goDown()
	s.begin("fresh")
	s.does("hold")
	s.wait(2 * time.Second)
	s.does("ask good")
	s.wait(time.Minute) // longer than an interval
	s.does()
	s.send("canary")
	s.fail("canary")
	s.does("report true")
	s.wait(4 * time.Second)
	s.does("admit fresh")
	s.send("fresh")
	s.fail("fresh")
	s.wait(4 * time.Second)
	s.does("ask good")
	s.send("canary")
	s.fail("canary")
	s.wait(4 * time.Second)
	s.does("admit b1") // first of the parked calls
}

func TestPullsWhileDown(t *testing.T) {
	s := newScript(t, time.Hour)
	if !s.m.mayPull() {
		t.Error("nothing may be pulled at the start")
	}
	s.goDown()
	if !s.m.mayPull() {
		t.Error("no SID to probe with may be pulled")
	}
	s.m.pull()
	if s.m.mayPull() {
		t.Error("a second one may be pulled before the first begins")
	}
	fresh := &Call{sid: "fresh"}
	s.m.begin(fresh, s.now)
	if s.m.mayPull() {
		t.Error("a second one may be pulled before the first is sent")
	}
	s.m.send(fresh)
	if !s.m.mayPull() {
		t.Error("no further SID may be pulled")
	}
}

func TestRecovery(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("slow")
	bad := s.goDown()
	s.begin("fresh")
	s.wait(2 * time.Second)
	s.send("fresh")
	s.succeed("fresh")
	s.does("hold", "admit fresh", "resume")
	for _, sid := range bad {
		s.is(sid, ready)
	}
	s.fail("slow") // sent before the end of the outage
	s.is("slow", ready)
	if slow := s.call("slow"); slow.failures != 0 {
		t.Errorf("%d failures count", slow.failures)
	}
}

func TestSuccessOfAnEarlierRequest(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("slow")
	s.goDown()
	s.succeed("slow")
	s.does("hold", "ask slow")
}

// A failed canary is replaced when a later request has succeeded. This is not an outage.
func TestCanaryFailsAlone(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("good")
	s.succeed("good")
	s.send("bad")
	s.fail("bad")
	s.wait(2 * time.Second)
	s.send("canary", "other")
	s.succeed("other")
	s.fail("canary")
	s.does("ask good")
}

func TestNothingEverSucceeded(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("a", "b")
	s.m.fail(s.call("a"), 10*time.Second, false, s.now) // Retry-After of 10 s
	s.fail("b")
	s.wait(9 * time.Second)
	s.does()
	s.wait(3 * time.Second)
	s.does("admit a")
	s.send("a")
	s.succeed("a")
	s.is("b", scheduled)
}

func TestFewThatNeverSucceeded(t *testing.T) {
	for maxOutage, after := range map[time.Duration]time.Duration{time.Hour: time.Minute, 10 * time.Second: 10 * time.Second} {
		s := newScript(t, maxOutage)
		s.send("a", "b")
		s.fail("a", "b")
		s.m.inputEnded = true
		began := s.now
		for s.call("a").state != spent && s.now.Sub(began) < time.Hour {
			s.wait(100 * time.Millisecond)
			if s.m.probe != nil {
				sid := s.m.probe.sid
				s.send(sid)
				s.fail(sid)
			}
		}
		if took := s.now.Sub(began); took < after || took > after+time.Second || s.m.ended {
			t.Errorf("MaxOutage %v: took %v, ended %v", maxOutage, took, s.m.ended)
		}
		s.is("b", spent)
	}
}

// probeUntilEnd makes each probe fail until the batch ends. It returns how long that took.
func (s *script) probeUntilEnd(local bool) time.Duration {
	began := s.now
	for !s.m.ended && s.now.Sub(began) < 24*time.Hour {
		s.wait(100 * time.Millisecond)
		if c := s.m.probe; c != nil {
			s.m.send(c)
			s.m.fail(c, time.Second, local, s.now)
		}
	}
	return s.now.Sub(began)
}

func TestMaxOutage(t *testing.T) {
	for _, maxOutage := range []time.Duration{0, time.Minute, 15 * time.Minute} {
		s := newScript(t, maxOutage)
		s.send("good")
		s.succeed("good")
		s.goDown()
		if took := s.probeUntilEnd(false); took < maxOutage || took > maxOutage+3*time.Second {
			t.Errorf("MaxOutage %v: took %v", maxOutage, took)
		}
	}
}

// A probe that is answered 403 is no success: the batch ends after MaxOutage.
func TestRejectedProbes(t *testing.T) {
	s := newScript(t, 10*time.Second)
	for _, sid := range s.goDown() {
		s.wait(4 * time.Second)
		if s.m.probe == nil {
			break
		}
		s.send(sid)
		s.m.reject(s.call(sid), s.now)
	}
	s.does("hold", "admit b1", "report true", "admit b2", "admit b3", "end")
}

// A call that waits to be sent again probes when there is no other one.
func TestProbeByThrottledCall(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("throttled")
	s.m.throttle(s.call("throttled"), s.now)
	for _, sid := range s.goDown() {
		s.wait(4 * time.Second)
		s.send(sid)
		s.m.reject(s.call(sid), s.now)
	}
	s.did = nil
	s.wait(4 * time.Second)
	s.does("admit throttled")
	s.send("throttled")
	s.succeed("throttled")
	s.does("report false", "resume")
}

func TestLocalCause(t *testing.T) {
	s := newScript(t, time.Hour)
	s.goDown()
	if took := s.probeUntilEnd(true); took < time.Minute || took > time.Minute+3*time.Second {
		t.Errorf("took %v", took)
	}
	s = newScript(t, time.Hour)
	s.send("good")
	s.succeed("good")
	s.goDown()
	if took := s.probeUntilEnd(true); took < time.Hour {
		t.Errorf("a batch with earlier responses took %v", took)
	}
}

// With Forever, failures end neither the batch nor its calls.
func TestForever(t *testing.T) {
	s := newScript(t, Forever)
	s.goDown()
	if took := s.probeUntilEnd(true); took < 24*time.Hour {
		t.Errorf("ended after %v", took)
	}
	few := newScript(t, Forever)
	few.send("a")
	few.fail("a")
	few.m.inputEnded = true
	for range 100 {
		few.wait(time.Minute)
		if few.m.probe != nil {
			few.send("a")
			few.fail("a")
		}
	}
	if few.is("a", parked); few.m.ended {
		t.Error("ended")
	}
}

func TestThrottledAlone(t *testing.T) {
	s := newScript(t, time.Hour)
	s.send("good")
	s.succeed("good")
	s.send("t")
	s.m.throttle(s.call("t"), s.now)
	s.is("t", ready)
	s.wait(time.Minute)
	s.does() // the limiter waits instead
	s.m.postpone(s.call("t"), s.now.Add(time.Hour))
	s.is("t", scheduled)
	s.wait(3 * time.Second)
	s.does("ask good")
	s.send("canary")
	s.succeed("canary")
	s.wait(time.Minute)
	s.does()
}

func TestThrottledForAll(t *testing.T) {
	for maxOutage, after := range map[time.Duration]time.Duration{0: time.Minute, time.Hour: time.Hour} {
		s := newScript(t, maxOutage)
		began := s.now
		for !s.m.ended && s.now.Sub(began) < 24*time.Hour {
			s.send("t")
			s.m.throttle(s.call("t"), s.now)
			s.wait(time.Second)
		}
		if took := s.now.Sub(began); took < after || took > after+2*time.Second {
			t.Errorf("MaxOutage %v: took %v", maxOutage, took)
		}
	}
}

// A throttled probe is parked again, so that it can be used for the next probe.
func TestThrottledProbes(t *testing.T) {
	s := newScript(t, time.Hour)
	s.goDown()
	for i := range 20 {
		s.wait(5 * time.Second)
		if s.m.probe == nil {
			t.Fatalf("no probe after %d", i)
		}
		probe := s.m.probe
		s.m.send(probe)
		s.m.throttle(probe, s.now)
		s.is(probe.sid, parked)
	}
}

func TestWaitingCallsHoldNoPlace(t *testing.T) {
	s := newScript(t, time.Hour)
	s.m.places = 2
	n := 0
	for ; s.m.mayPull() && n < 1000; n++ {
		sid := fmt.Sprint(n)
		s.send(sid)
		if n%2 == 0 {
			s.fail(sid)
			continue
		}
		s.succeed(sid)
		s.m.done(s.call(sid), s.now)
		s.m.yielded()
	}
	if waiting := s.m.count[parked] + s.m.count[scheduled]; waiting != 2+256 {
		t.Errorf("%d wait after %d SIDs", waiting, n)
	}
}

// Time without a call in progress is not an outage, and there are no probes.
func TestIdleTimeDoesNotCount(t *testing.T) {
	s := newScript(t, time.Minute)
	s.send("a")
	s.fail("a")
	s.m.done(s.call("a"), s.now)
	s.wait(time.Hour)
	s.does()
	if !s.m.failing.IsZero() {
		t.Error("idle time counts as an outage")
	}
}
