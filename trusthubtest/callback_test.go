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

// listener is a transport that records requests.
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
		t.Error("called before CallBack")
	}
	handler.CallBack(&http.Client{Transport: app})
	for i, step := range []struct {
		sid, callback string
		status        trusthub.CustomerProfileStatus
		calls         int
	}{
		{otherSID, hook, trusthub.StatusInReview, 0}, // new profile
		{otherSID, hook, trusthub.StatusInReview, 0}, // same status
		{otherSID, hook, trusthub.StatusTwilioApproved, 1},
		{lower, hook, "", 1}, // changed to draft
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
		t.Error("called after CallBack(nil)")
	}
	r := app.calls[0]
	if err := trusthub.VerifyCallback(r, hook, trusthub.AuthToken(trusthubtest.Password)); err != nil {
		t.Error(err)
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "AccountSid="+trusthubtest.Username+"&BundleSid="+otherSID+"&FailureReason=&Status=twilio-approved" || r.Method != http.MethodPost || r.URL.String() != hook {
		t.Errorf("got %s %s, %s, %v", r.Method, r.URL, body, err)
	}
}

// A callback may fail, hang or change the profile again. Put is not affected, except that it waits
// for the callback.
func TestCallBackFails(t *testing.T) {
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
	token := trusthub.AuthToken(trusthubtest.Password)
	for name, test := range map[string]struct {
		url  string
		body io.Reader
		key  trusthub.SigningKey
	}{
		"no form":         {"https://app.example.com/", strings.NewReader("%zz"), token},
		"other hash":      {"https://app.example.com/?bodySHA256=00", strings.NewReader("{}"), token},
		"broken":          {"https://app.example.com/", iotest.ErrReader(errors.New("gone")), token},
		"too large":       {"https://app.example.com/", strings.NewReader(strings.Repeat("a", 64<<10+1)), token},
		"no URL":          {"app.example.com", nil, token},
		"zero key":        {"https://app.example.com/", nil, trusthub.SigningKey{}},
		"blank token":     {"https://app.example.com/", nil, trusthub.AuthToken(" ")},
		"blank SharedKey": {"https://app.example.com/", nil, trusthub.SharedKey("id", "\n")},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "trusthubtest: SignCallback: ") {
					t.Errorf("got %q", text)
				}
			}()
			trusthubtest.SignCallbackWith(httptest.NewRequest(http.MethodPost, "/", test.body), test.url, test.key)
		})
	}
}

// CallBack ignores a callback that cannot be signed.
func TestCallBackNeverPanics(*testing.T) {
	h := trusthubtest.NewHandler()
	h.CallBack(http.DefaultClient)
	profile := trusthub.CustomerProfile{SID: trusthubtest.ExampleSID, Status: trusthub.StatusInReview, StatusCallback: "http://127.0.0.1:1/x?bodySHA256=00"}
	h.Put(profile)
}

// VerifyCallback accepts callbacks of every style.
func TestCallBackWithStyles(t *testing.T) {
	token, shared := trusthub.AuthToken(trusthubtest.Password), trusthub.SharedKey("webhooks_sharedkey_1", "a secret")
	const hook, settings = "https://user:secret@app.example.com?b=2&a=1#rc=2", "X-Twilio-Webhooks-Signature-Settings"
	for name, test := range map[string]struct {
		style    trusthubtest.CallbackStyle
		key      trusthub.SigningKey
		signed   string // start of the signed URL
		settings string
	}{
		"default":     {trusthubtest.CallbackStyle{}, token, "https://user:secret@app.example.com?b=2&a=1", ""},
		"no password": {trusthubtest.CallbackStyle{DropUserInfo: true}, token, "https://app.example.com?b=2&a=1", ""},
		"SharedKey":   {trusthubtest.CallbackStyle{Key: shared}, shared, "https://user:secret@app.example.com?b=2&a=1", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"},
		"by SHA-1":    {trusthubtest.CallbackStyle{Key: shared, SHA1: true}, shared, "https://user:secret@app.example.com?b=2&a=1", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA1"},
		"GET":         {trusthubtest.CallbackStyle{GET: true}, token, "https://user:secret@app.example.com?b=2&a=1&", ""},
		"POST, hash":  {trusthubtest.CallbackStyle{BodySHA256: true}, token, "https://user:secret@app.example.com?b=2&a=1&bodySHA256=", ""},
		"GET, hash":   {trusthubtest.CallbackStyle{GET: true, BodySHA256: true, DropUserInfo: true, Key: shared}, shared, "https://app.example.com?b=2&a=1&bodySHA256=", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"},
	} {
		t.Run(name, func(t *testing.T) {
			handler, app := trusthubtest.NewHandler(), new(listener)
			handler.CallBackWith(&http.Client{Transport: app}, test.style)
			handler.Put(trusthub.CustomerProfile{
				SID: trusthubtest.ExampleSID, AccountSID: trusthubtest.Username, Status: trusthub.StatusTwilioRejected, StatusCallback: hook,
				Errors: []trusthub.CustomerProfileError{{Code: 18601}},
			})
			if len(app.calls) != 1 {
				t.Fatalf("%d calls", len(app.calls))
			}
			r := app.calls[0]
			called := "https://app.example.com?" + r.URL.RawQuery
			if strings.Contains(test.signed, "@") {
				called = strings.Replace(called, "app.", "user:secret@app.", 1)
			}
			if err := trusthub.VerifyCallback(r, called, test.key); err != nil || !strings.HasPrefix(called, test.signed) {
				t.Errorf("called at %s: %v", called, err)
			}
			hashes := strings.Count(called, "bodySHA256=")
			if want := map[bool]int{true: 2}[test.style.BodySHA256]; r.Header.Get(settings) != test.settings || hashes != want {
				t.Errorf("%s: %q, %d hashes", settings, r.Header.Get(settings), hashes)
			}
			if err := r.ParseForm(); err != nil || r.Form.Get("BundleSid") != trusthubtest.ExampleSID || r.Form.Get("AccountSid") != trusthubtest.Username ||
				r.Form.Get("Status") != "twilio-rejected" || r.Form.Get("FailureReason") != trusthub.ProfileErrorText(18601) || (r.Method == http.MethodGet) != test.style.GET {
				t.Errorf("%s %v, %v", r.Method, r.Form, err)
			}
		})
	}
}

// Each account has its own profiles, and its token signs their callbacks.
func TestAccounts(t *testing.T) {
	const account, token = "AC00000000000000000000000000000001", "token of 1"
	handler, app := trusthubtest.NewHandler(), new(listener)
	handler.AddAccount(account, "an older token")
	handler.AddAccount(account, token)
	handler.CallBack(&http.Client{Transport: app})
	const hook = "https://app.example.com/"
	for _, status := range []trusthub.CustomerProfileStatus{trusthub.StatusInReview, trusthub.StatusTwilioApproved} {
		handler.Put(trusthub.CustomerProfile{SID: otherSID, AccountSID: account, Status: status, StatusCallback: hook})
	}
	for _, test := range []struct {
		username, password, sid string
		want                    error
	}{
		{trusthubtest.Username, trusthubtest.Password, trusthubtest.ExampleSID, nil},
		{trusthubtest.Username, trusthubtest.Password, otherSID, trusthub.ErrNotFound},
		{account, token, otherSID, nil},
		{account, token, trusthubtest.ExampleSID, trusthub.ErrNotFound},
		{account, "an older token", otherSID, trusthub.ErrUnauthorized},
		{account, trusthubtest.Password, otherSID, trusthub.ErrUnauthorized},
		{trusthubtest.Username, token, otherSID, trusthub.ErrUnauthorized},
	} {
		client, err := trusthub.NewClient(trusthub.BasicAuth(test.username, test.password), trusthub.WithHTTPClient(&http.Client{Transport: handler}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.FetchCustomerProfile(t.Context(), test.sid); !errors.Is(err, test.want) {
			t.Errorf("%s, %s, %s: got %v", test.username, test.password, test.sid, err)
		}
	}
	if len(app.calls) != 1 || trusthub.VerifyCallback(app.calls[0], hook, trusthub.AuthToken(token)) != nil {
		t.Errorf("%d calls, or one by another token", len(app.calls))
	}
	for _, wrong := range [][2]string{{"", "token"}, {account, ""}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is an account", wrong)
				}
			}()
			handler.AddAccount(wrong[0], wrong[1])
		}()
	}
}
