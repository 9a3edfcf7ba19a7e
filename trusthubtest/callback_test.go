package trusthubtest_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// listener is a transport that keeps what it is sent.
type listener struct {
	mu    sync.Mutex
	calls []*http.Request
	then  func(*http.Request) (*http.Response, error)
}

func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	l.calls = append(l.calls, r)
	l.mu.Unlock()
	if l.then != nil {
		return l.then(r)
	}
	return httptest.NewRecorder().Result(), nil
}

func TestCallBackOnAChangeOfStatus(t *testing.T) {
	const hook = "https://app.example.com/trusthub?b=2&a=1"
	handler, app := trusthubtest.NewHandler(), new(listener)
	put := func(sid, callback string, status trusthub.CustomerProfileStatus) int {
		before := len(app.calls)
		handler.Put(trusthub.CustomerProfile{SID: sid, Status: status, StatusCallback: callback})
		return len(app.calls) - before
	}
	lower := "BU" + strings.ToLower(otherSID[2:])
	if put(trusthubtest.ExampleSID, hook, trusthub.StatusInReview) != 0 {
		t.Error("called before it was asked for")
	}
	handler.CallBack(&http.Client{Transport: app})
	for i, step := range []struct {
		sid, callback string
		status        trusthub.CustomerProfileStatus
		calls         int
	}{
		{otherSID, hook, trusthub.StatusInReview, 0}, // new
		{otherSID, hook, trusthub.StatusInReview, 0}, // the same
		{otherSID, hook, trusthub.StatusTwilioApproved, 1},
		{lower, hook, "", 1}, // a draft
		{lower, hook, trusthub.StatusDraft, 0},
		{otherSID, "", trusthub.StatusInReview, 0},
		{otherSID, "https://app.example.com:x", trusthub.StatusDraft, 0},
		{otherSID, hook, "unheard-of", 1},
	} {
		if calls := put(step.sid, step.callback, step.status); calls != step.calls {
			t.Errorf("step %d: %d calls", i, calls)
		}
	}
	handler.CallBack(nil)
	if put(otherSID, hook, trusthub.StatusInReview) != 0 {
		t.Error("called after the end")
	}
	r := app.calls[0]
	if err := trusthub.VerifyCallback(r, hook, trusthub.AuthToken(trusthubtest.Password)); err != nil {
		t.Error(err)
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "AccountSid="+trusthubtest.Username+"&BundleSid="+otherSID+"&FailureReason=&Status=twilio-approved" || r.Method != http.MethodPost || r.URL.String() != hook {
		t.Errorf("got %s %s, %s, %v", r.Method, r.URL, body, err)
	}
}

// What becomes of a call is of no consequence: not a failure, not an answer that never comes, not another change meanwhile.
func TestCallBackGoesWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, app := trusthubtest.NewHandler(), new(listener)
		handler.CallBack(&http.Client{Transport: app})
		profile := trusthub.CustomerProfile{SID: trusthubtest.ExampleSID, StatusCallback: "https://app.example.com/"}
		for _, step := range []struct {
			then func(*http.Request) (*http.Response, error)
			took time.Duration
		}{
			{func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }, 0},
			{func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, 15 * time.Second},
			{func(*http.Request) (*http.Response, error) {
				app.then = nil
				profile.Status += "?"
				handler.Put(profile)
				return httptest.NewRecorder().Result(), nil
			}, 0},
		} {
			app.then = step.then
			profile.Status += "!"
			start := time.Now()
			handler.Put(profile)
			if took := time.Since(start); took != step.took {
				t.Errorf("took %v", took)
			}
			got, err := inProcess(t, handler, once).FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID)
			if err != nil || got.Status != profile.Status {
				t.Errorf("got %v, %v", got, err)
			}
		}
	})
}

func TestSignCallbackPanics(t *testing.T) {
	for name, test := range map[string]struct {
		url  string
		body io.Reader
	}{
		"no form":    {"https://app.example.com/", strings.NewReader("%zz")},
		"other hash": {"https://app.example.com/?bodySHA256=00", strings.NewReader("{}")},
		"broken":     {"https://app.example.com/", iotest.ErrReader(errors.New("gone"))},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "trusthubtest: SignCallback: ") {
					t.Errorf("got %q", text)
				}
			}()
			trusthubtest.SignCallback(httptest.NewRequest(http.MethodPost, "/", test.body), test.url)
		})
	}
}

// A callback that cannot be made has no consequence, says CallBack.
func TestCallBackNeverPanics(*testing.T) {
	h := trusthubtest.NewHandler()
	h.CallBack(http.DefaultClient)
	profile := trusthub.CustomerProfile{SID: trusthubtest.ExampleSID, Status: trusthub.StatusInReview, StatusCallback: "http://127.0.0.1:1/x?bodySHA256=00"}
	h.Put(profile)
}
