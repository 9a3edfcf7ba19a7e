package callbacks_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const (
	publicURL = "https://app.example.com"
	otherSID  = "BU00000000000000000000000000000001"
)

// A status changes, Twilio calls, the callback is verified, the profile fetched, and Handle called.
func TestCallbackHandlerHandlesAChange(t *testing.T) {
	fake := trusthubtest.NewServer(t)
	var got []trusthub.CustomerProfileStatus
	app := httptest.NewUnstartedServer(nil)
	app.Config.Handler = callbackHandler(t, fake.Client(), "http://"+app.Listener.Addr().String(), func(_ context.Context, profile *trusthub.CustomerProfile, _ trusthub.CallbackEvent) error {
		got = append(got, profile.Status)
		return nil
	})
	app.Start()
	defer app.Close()

	fake.CallBack(app.Client())
	for _, path := range []string{"", "/", "/trusthub", "/trusthub/" + sid, "/trusthub?a=b+c&a=%20", "/#rc=2"} {
		got = nil
		for _, status := range []trusthub.CustomerProfileStatus{trusthub.StatusInReview, trusthub.StatusInReview, trusthub.StatusTwilioApproved} {
			fake.Put(trusthub.CustomerProfile{SID: sid, Status: status, StatusCallback: app.URL + path})
		}
		if !slices.Equal(got, []trusthub.CustomerProfileStatus{trusthub.StatusInReview, trusthub.StatusTwilioApproved}) {
			t.Errorf("called at %q: %v", path, got)
		}
	}
}

// The SID is found in the path, the query or the body.
func TestCallbackHandlerFindsTheSID(t *testing.T) {
	lower, upper := "BU"+strings.Repeat("a", 32), "BU"+strings.Repeat("A", 32)
	document := func(text string) string { return "/?bodySHA256=" + hashOf(text) }
	twoDocuments := `{"sid":"` + sid + `","other":["` + otherSID + `"]}`
	oneDocument := `{"sid":"` + sid + `","account_sid":"AC1","valid_until":null,"results":[{"sid":"` + sid + `"}]}`
	for name, test := range map[string]struct {
		method, target, body string
		want                 string // "": no SID
	}{
		"path":                            {"POST", "/hooks/" + sid, "Status=draft", sid},
		"path of a GET":                   {"GET", "/hooks/" + sid, "", sid},
		"last of the path":                {"POST", "/" + otherSID + "/" + sid + "/status", "", sid},
		"path before body":                {"POST", "/" + sid, "Sid=" + otherSID, sid},
		"path before query":               {"GET", "/" + sid + "?Sid=" + otherSID, "", sid},
		"any parameter name":              {"POST", "/", "Whatever=" + sid + "&Sid=AC1", sid},
		"repeated":                        {"POST", "/", "A=" + sid + "&A=" + sid + "&B=" + sid, sid},
		"in both cases":                   {"POST", "/", "A=" + lower + "&B=" + upper, lower},
		"query of a GET":                  {"GET", "/?Sid=" + sid + "&b", "", sid},
		"JSON":                            {"POST", document(oneDocument), oneDocument, sid},
		"form with its hash":              {"POST", document("Sid=" + sid), "Sid=" + sid, sid},
		"nothing":                         {"POST", "/", "", ""},
		"two":                             {"POST", "/", "A=" + sid + "&B=" + otherSID, ""},
		"two by one name":                 {"POST", "/", "A=" + sid + "&A=" + otherSID, ""},
		"two in JSON":                     {"POST", document(twoDocuments), twoDocuments, ""},
		"truncated JSON":                  {"POST", document(oneDocument[:60]), oneDocument[:60], ""},
		"in a name":                       {"POST", "/", sid + "=1", ""},
		"in a longer value":               {"POST", "/", "Url=https://trusthub.twilio.com/v1/CustomerProfiles/" + sid, ""},
		"in a longer element of the path": {"POST", "/hook" + sid, "", ""},
		"query of a POST":                 {"POST", "/?Sid=" + sid, "", ""},
		"body of a GET":                   {"GET", "/", "Sid=" + sid, ""},
		"broken query of a GET":           {"GET", "/?Sid=" + sid + "&%zz", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApp(t)
			app.fake.Put(trusthub.CustomerProfile{SID: otherSID})
			status := app.call(signedFor(test.method, test.target, test.body))
			want := http.StatusBadRequest
			if test.want != "" {
				want = http.StatusNoContent
			}
			fetched := app.fetched()
			if status != want || test.want == "" && len(fetched) > 0 || test.want != "" && (len(fetched) != 1 || !strings.EqualFold(fetched[0], test.want)) {
				t.Errorf("status %d, fetched %v", status, fetched)
			}
		})
	}
}

// The signed URL consists of the public URL and of the path and query of the request, byte for
// byte.
func TestCallbackHandlerURL(t *testing.T) {
	for name, test := range map[string]struct {
		public, strip, target string
		called                string
	}{
		"root":                       {publicURL, "", "/", publicURL + "/"},
		"path":                       {publicURL, "", "/a/b", publicURL + "/a/b"},
		"path, public with slash":    {publicURL + "/", "", "/a/b", publicURL + "/a/b"},
		"port":                       {publicURL + ":8443", "", "/a", publicURL + ":8443/a"},
		"standard port":              {publicURL, "", "/a", publicURL + ":443/a"},
		"stripped":                   {publicURL + "/hooks", "/hooks", "/hooks/a", publicURL + "/hooks/a"},
		"stripped to nothing":        {publicURL + "/hooks", "/hooks", "/hooks", publicURL + "/hooks"},
		"stripped to a slash":        {publicURL + "/hooks", "/hooks", "/hooks/", publicURL + "/hooks/"},
		"stripped of a slash":        {publicURL + "/hooks/", "/hooks/", "/hooks/a", publicURL + "/hooks/a"},
		"stripped to nothing at all": {publicURL + "/hooks/", "/hooks/", "/hooks/", publicURL + "/hooks/"},
		"stripped by the proxy too":  {publicURL + "/outside", "", "/a", publicURL + "/outside/a"},
		"two slashes":                {publicURL, "", "//a", publicURL + "//a"},
		"escaped":                    {publicURL, "", "/a%2Fb%20%C3%BC+c", publicURL + "/a%2Fb%20%C3%BC+c"},
		"query in its order":         {publicURL, "", "/?b=2&a=%20+&b", publicURL + "/?b=2&a=%20+&b"},
		"empty query":                {publicURL, "", "/?", publicURL + "/?"},
		"semicolon":                  {publicURL, "", "/?a;b", publicURL + "/?a;b"},
		"credentials":                {"https://u:p@app.example.com", "", "/", "https://u:p@app.example.com/"},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApp(t)
			r := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader("Sid="+sid))
			r.Host = "10.0.0.7:8080" // changed by a proxy
			trusthubtest.SignCallback(r, test.called)
			answer := httptest.NewRecorder()
			http.StripPrefix(test.strip, app.handlerAt(test.public)).ServeHTTP(answer, r)
			if answer.Code != http.StatusNoContent {
				t.Errorf("status %d", answer.Code)
			}
		})
	}
}

// A request without a valid signature causes no fetch.
func TestCallbackHandlerRejects(t *testing.T) {
	form := "Sid=" + sid
	otherwise := func(change func(*http.Request)) *http.Request {
		r := signedFor(http.MethodPost, "/", form)
		change(r)
		return r
	}
	for name, test := range map[string]struct {
		request *http.Request
		status  int
	}{
		"unsigned":           {httptest.NewRequest(http.MethodPost, "/"+sid, nil), http.StatusForbidden},
		"signed with ''":     {forge("", publicURL+"/Sid"+sid, form), http.StatusForbidden},
		"for another path":   {otherwise(func(r *http.Request) { r.URL.Path = "/" + otherSID }), http.StatusForbidden},
		"for another query":  {otherwise(func(r *http.Request) { r.URL.RawQuery = "a" }), http.StatusForbidden},
		"for another host":   {otherwise(func(r *http.Request) { trusthubtest.SignCallback(r, "https://evil.example.com/") }), http.StatusForbidden},
		"another body":       {otherwise(func(r *http.Request) { r.Body = signedFor("POST", "/", "Sid="+otherSID).Body }), http.StatusForbidden},
		"a longer body":      {otherwise(func(r *http.Request) { r.Body = signedFor("POST", "/", form+"&A=1").Body }), http.StatusForbidden},
		"too many values":    {otherwise(func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("a&", 100_000))) }), http.StatusForbidden},
		"a body without end": {otherwise(func(r *http.Request) { r.Body = io.NopCloser(&counting{}) }), http.StatusForbidden},
		"PUT":                {signedFor(http.MethodPut, "/", form), http.StatusMethodNotAllowed},
		"HEAD":               {signedFor(http.MethodHead, "/"+sid, ""), http.StatusMethodNotAllowed},
		"OPTIONS":            {signedFor(http.MethodOptions, "/"+sid, ""), http.StatusMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApp(t)
			answer := httptest.NewRecorder()
			app.handlerAt(publicURL).ServeHTTP(answer, test.request)
			if answer.Code != test.status || answer.Body.Len() > 0 || len(app.fetched()) > 0 || len(app.handled) > 0 {
				t.Errorf("status %d, fetched %v", answer.Code, app.fetched())
			}
			if (answer.Header().Get("Allow") == "GET, POST") != (test.status == http.StatusMethodNotAllowed) {
				t.Errorf("got %v", answer.Header())
			}
		})
	}
}

// The status of the response depends on the result of fetch and Handle, so that Twilio retries when
// this can help.
func TestCallbackHandlerStatuses(t *testing.T) {
	unavailable := trusthubtest.Fault{Status: 503}
	for name, test := range map[string]struct {
		sid     string
		fault   trusthubtest.Fault
		handle  handleFunc
		status  int
		handled int
	}{
		"done":                 {sid, trusthubtest.Fault{}, nil, 204, 1},
		"gone":                 {"BU" + strings.Repeat("0", 32), trusthubtest.Fault{}, nil, 204, 0},
		"fetch fails with 503": {sid, unavailable, nil, 503, 0},
		"too many requests":    {sid, trusthubtest.Fault{Status: 429}, nil, 503, 0},
		"connection lost":      {sid, trusthubtest.Fault{Reset: true}, nil, 503, 0},
		"wrong credentials":    {sid, trusthubtest.Fault{Status: 401}, nil, 500, 0},
		"not a profile":        {sid, trusthubtest.Fault{Body: "null"}, nil, 500, 0},
		"another profile":      {sid, trusthubtest.Fault{Body: `{"sid":"` + otherSID + `"}`}, nil, 500, 0},
		"handle fails":         {sid, trusthubtest.Fault{}, failWith(errors.New("disk full")), 500, 1},
		"handle returns a 404": {sid, trusthubtest.Fault{}, failWith(&trusthub.Error{StatusCode: 404, RequestID: "RQ1"}), 500, 1},
		"handle returns a 503": {sid, trusthubtest.Fault{}, failWith(fmt.Errorf("x: %w", &trusthub.Error{StatusCode: 503})), 503, 1},
		"handle returns a 401": {sid, trusthubtest.Fault{}, failWith(&trusthub.Error{StatusCode: 401, RequestID: "RQ1"}), 500, 1},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApp(t)
			app.handle = test.handle
			app.fake.Fail(test.fault)
			if status := app.call(signedFor(http.MethodPost, "/"+test.sid, "")); status != test.status || len(app.handled) != test.handled {
				t.Errorf("status %d, handled %d times", status, len(app.handled))
			}
		})
	}
}

// A callback that arrives twice is handled twice, each time with the current profile.
func TestCallbackHandlerFetchesTheCurrentProfile(t *testing.T) {
	app := newApp(t)
	body := "Sid=" + sid + "&Status=draft"
	for _, status := range []trusthub.CustomerProfileStatus{trusthub.StatusTwilioApproved, trusthub.StatusTwilioRejected} {
		app.fake.Put(trusthub.CustomerProfile{SID: sid, Status: status})
		if answer := app.call(signedFor(http.MethodPost, "/", body)); answer != http.StatusNoContent {
			t.Errorf("status %d", answer)
		}
		if got := app.handled[len(app.handled)-1]; got.Status != status {
			t.Errorf("got %s, want %s", got.Status, status)
		}
	}
}

// No address in a callback causes another request. The only request is for the profile, at the base
// URL of the client.
func TestCallbackHandlerSendsNoOtherRequest(t *testing.T) {
	app := newApp(t)
	const evil = "http://169.254.169.254/"
	body := "Sid=" + sid + "&Url=" + evil + "&StatusCallback=" + evil + "&Host=" + evil
	// An absolute URL, as in a request to a proxy.
	r := httptest.NewRequest(http.MethodPost, evil+sid, strings.NewReader(body))
	r.Header.Set("Forwarded", "host=169.254.169.254")
	r.Header.Set("X-Forwarded-Host", "169.254.169.254")
	trusthubtest.SignCallback(r, publicURL+"/"+sid)
	if status := app.call(r); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
	requests := app.fake.Requests()
	if len(requests) != 1 || requests[0].URL.String() != "http://127.0.0.1/v1/CustomerProfiles/"+sid || requests[0].Header.Get("Forwarded") != "" {
		t.Errorf("got %v", requests)
	}
}

// Fetch and Handle together take at most 10 s, because Twilio waits for 15 s only.
func TestCallbackHandlerEndsInTime(t *testing.T) {
	wait := func(ctx context.Context, _ *trusthub.CustomerProfile, _ trusthub.CallbackEvent) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, test := range map[string]struct {
		delay, client time.Duration // delay of the fetch; time until Twilio closes the connection
		took          time.Duration
		status        int
	}{
		"fetch is slow":  {time.Hour, time.Hour, 3 * time.Second, 503},
		"handle is slow": {0, time.Hour, 10 * time.Second, 500},
		"both are":       {2 * time.Second, time.Hour, 10 * time.Second, 500},
		"Twilio is gone": {0, time.Second, time.Second, 500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp(t)
				app.handle = wait
				app.fake.Fail(trusthubtest.Fault{Delay: test.delay})
				ctx, cancel := context.WithTimeout(t.Context(), test.client)
				defer cancel()
				start := time.Now()
				status := app.call(signedFor(http.MethodPost, "/"+sid, "").WithContext(ctx))
				if took := time.Since(start); status != test.status || took != test.took {
					t.Errorf("status %d after %v", status, took)
				}
			})
		})
	}
}

// Concurrent callbacks keep the limit of the client.
func TestCallbackHandlerSharesTheLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t)
		var inFlight, most atomic.Int64
		client := over(t, apitest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			now := inFlight.Add(1)
			defer inFlight.Add(-1)
			for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
			}
			time.Sleep(time.Second)
			return app.fake.RoundTrip(r)
		}), trusthub.WithMaxConcurrency(2))
		var handled atomic.Int64
		handler := callbackHandler(t, client, publicURL, func(context.Context, *trusthub.CustomerProfile, trusthub.CallbackEvent) error {
			handled.Add(1)
			return nil
		})
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() { handler.ServeHTTP(httptest.NewRecorder(), signedFor(http.MethodPost, "/"+sid, "")) })
		}
		calls.Wait()
		if handled.Load() != 10 || most.Load() != 2 {
			t.Errorf("%d handled, %d in flight", handled.Load(), most.Load())
		}
	})
}

// Each request has one log record and one hook, with its reason and only the documented attributes.
func TestCallbackHandlerLogs(t *testing.T) {
	const secret = "hunter2"
	panics := func(context.Context, *trusthub.CustomerProfile, trusthub.CallbackEvent) error {
		panic(http.ErrAbortHandler)
	}
	otherPath := signedFor(http.MethodPost, "/"+secret, "Sid="+sid)
	otherPath.URL.Path = "/" + sid
	const brokenSID = "BU00000000000000000000000000000002"
	for name, test := range map[string]struct {
		request *http.Request
		handle  handleFunc
		level   string
		status  float64
		sid     any
	}{
		"":             {signedFor(http.MethodPost, "/"+secret, "Sid="+sid+"&A="+secret), nil, "DEBUG", 204, sid},
		"not_found":    {signedFor(http.MethodPost, "/"+secret, "Sid="+otherSID), nil, "DEBUG", 204, otherSID},
		"handle":       {signedFor(http.MethodPost, "/"+secret, "Sid="+sid), failWith(errors.New(secret)), "WARN", 500, sid},
		"panic":        {signedFor(http.MethodPost, "/"+secret, "Sid="+sid), panics, "WARN", 500, sid},
		"fetch":        {signedFor(http.MethodPost, "/"+secret, "Sid="+brokenSID), nil, "WARN", 500, brokenSID},
		"account":      {signedFor(http.MethodPost, "/"+secret, "AccountSid="+secret+"&BundleSid="+sid), nil, "WARN", 403, sid},
		"no_signature": {httptest.NewRequest(http.MethodPost, "/"+sid+secret, strings.NewReader(secret)), nil, "DEBUG", 403, nil},
		"signature":    {otherPath, nil, "WARN", 403, nil},
		"no_sid":       {signedFor(http.MethodGet, "/?"+secret, ""), nil, "WARN", 400, nil},
		"method":       {signedFor(strings.Repeat("HUNTER2", 10), "/"+secret+"?"+secret, secret), nil, "WARN", 405, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			var hooked []trusthub.CallbackInfo
			app := newApp(t, trusthub.WithLogger(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))), trusthub.WithHooks(trusthub.Hooks{
				CallbackDone: func(_ context.Context, info trusthub.CallbackInfo) { hooked = append(hooked, info) },
			}))
			app.fake.FailFunc(func(r *http.Request) (trusthubtest.Fault, bool) {
				return trusthubtest.Fault{Status: 401}, strings.HasSuffix(r.URL.Path, brokenSID)
			})
			app.handle = test.handle
			func() {
				defer func() { _ = recover() }()
				app.call(test.request)
			}()
			var records []map[string]any
			for line := range strings.Lines(out.String()) {
				var record map[string]any
				if err := json.Unmarshal([]byte(line), &record); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(record["msg"].(string), "callback") {
					records = append(records, record)
				}
			}
			if strings.Contains(out.String(), secret) || len(records) != 1 {
				t.Fatalf("got\n%s", out.String())
			}
			record := records[0]
			if record["level"] != test.level || record["status"] != test.status || record["sid"] != test.sid || fmt.Sprint(record["reason"]) != cmp.Or(name, "<nil>") {
				t.Errorf("got %v", record)
			}
			if len(hooked) != 1 || hooked[0].Reason != name || float64(hooked[0].Status) != test.status || hooked[0].Duration <= 0 {
				t.Errorf("hooks got %v", hooked)
			}
			for key := range maps.Keys(record) {
				if !slices.Contains([]string{"time", "level", "msg", "method", "status", "duration", "reason", "sid"}, key) || len(fmt.Sprint(record[key])) > 50 {
					t.Errorf("%s is not on the list: %v", key, record)
				}
			}
		})
	}
}

func configOf(publicURL string, keys []trusthub.SigningKey, handle handleFunc) trusthub.CallbackConfig {
	return trusthub.CallbackConfig{PublicURL: publicURL, Keys: keys, Handle: handle}
}

// An invalid configuration is an error. It names the field and contains no secret.
func TestCallbackConfigErrors(t *testing.T) {
	client := over(t, trusthubtest.NewHandler())
	handle, keys := failWith(nil), []trusthub.SigningKey{authKey}
	for name, test := range map[string]struct {
		field  string
		config trusthub.CallbackConfig
	}{
		"no URL":       {"PublicURL", configOf("", keys, handle)},
		"no scheme":    {"PublicURL", configOf("app.example.com", keys, handle)},
		"no host":      {"PublicURL", configOf("https:///hooks", keys, handle)},
		"a path":       {"PublicURL", configOf("/hooks", keys, handle)},
		"other scheme": {"PublicURL", configOf("ftp://app.example.com", keys, handle)},
		"malformed":    {"PublicURL", configOf("https://u:hunter2@app.example.com:x", keys, handle)},
		"query":        {"PublicURL", configOf(publicURL+"?a", keys, handle)},
		"fragment":     {"PublicURL", configOf(publicURL+"#rc=2", keys, handle)},
		"no keys":      {"Keys", configOf(publicURL, nil, handle)},
		"blank keys":   {"Keys", configOf(publicURL, []trusthub.SigningKey{{}, trusthub.AuthToken("\n"), trusthub.SharedKey("", "hunter2")}, handle)},
		"five keys":    {"Keys", configOf(publicURL, slices.Repeat(keys, 5), handle)},
		"same id":      {"Keys", configOf(publicURL, []trusthub.SigningKey{trusthub.SharedKey("a", "b"), trusthub.SharedKey("a", "hunter2")}, handle)},
		"no handle":    {"Handle", configOf(publicURL, keys, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			handler, err := client.CallbackHandler(test.config)
			if err == nil || handler != nil || !strings.HasPrefix(err.Error(), "trusthub: CallbackConfig."+test.field+" ") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := client.CallbackHandler(configOf(publicURL, append(slices.Repeat(keys, 4), trusthub.SigningKey{}), handle)); err != nil {
		t.Errorf("four keys, and a blank one: %v", err)
	}
}

func TestCallbackHandlerKeepsItsKeys(t *testing.T) {
	app := newApp(t)
	keys := []trusthub.SigningKey{{}, trusthub.AuthToken(otherToken), authKey}
	config := configOf("https://u:hunter2@app.example.com", keys, failWith(nil))
	handler, err := app.client.CallbackHandler(config)
	if err != nil {
		t.Fatal(err)
	}
	clear(keys) // has no effect on the handler
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, signedFor(http.MethodPost, "/"+sid, ""))
	if answer.Code != http.StatusNoContent {
		t.Errorf("status %d", answer.Code)
	}
	for _, value := range []any{handler, config, &config} {
		if printed := fmt.Sprintf("%v %+v %#v", value, value, value); strings.Contains(printed, authToken) || strings.Contains(printed, "hunter2") {
			t.Errorf("prints %s", printed)
		}
	}
}

// app is a program with a callback handler. It records the requests of the fake and the calls of
// Handle.
type app struct {
	t       *testing.T
	fake    *trusthubtest.Handler
	client  *trusthub.Client
	handle  handleFunc // nil: returns nil
	handled []*trusthub.CustomerProfile
	events  []trusthub.CallbackEvent
}

type handleFunc = func(context.Context, *trusthub.CustomerProfile, trusthub.CallbackEvent) error

func newApp(t *testing.T, opts ...trusthub.Option) *app {
	fake := trusthubtest.NewHandler()
	return &app{t: t, fake: fake, client: over(t, fake, opts...)}
}

func (a *app) handlerAt(publicURL string) http.Handler {
	return callbackHandler(a.t, a.client, publicURL, func(ctx context.Context, profile *trusthub.CustomerProfile, event trusthub.CallbackEvent) error {
		a.handled, a.events = append(a.handled, profile), append(a.events, event)
		if a.handle == nil {
			return nil
		}
		return a.handle(ctx, profile, event)
	})
}

// callbackHandler returns a handler that verifies with authKey.
func callbackHandler(t *testing.T, client *trusthub.Client, publicURL string, handle handleFunc) http.Handler {
	t.Helper()
	handler, err := client.CallbackHandler(trusthub.CallbackConfig{PublicURL: publicURL, Keys: []trusthub.SigningKey{authKey}, Handle: handle})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// call returns the status of the response to r.
func (a *app) call(r *http.Request) int {
	answer := httptest.NewRecorder()
	a.handlerAt(publicURL).ServeHTTP(answer, r)
	return answer.Code
}

// fetched returns the SIDs of all fetches.
func (a *app) fetched() (sids []string) {
	for _, r := range a.fake.Requests() {
		sids = append(sids, strings.TrimPrefix(r.URL.Path, "/v1/CustomerProfiles/"))
	}
	return sids
}

// signedFor returns a signed callback to an app at publicURL.
func signedFor(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	trusthubtest.SignCallback(r, publicURL+target)
	return r
}

func failWith(err error) handleFunc {
	return func(context.Context, *trusthub.CustomerProfile, trusthub.CallbackEvent) error { return err }
}

// The SID can be any value of a JSON document. A document is not read as a form.
func TestCallbackInJSON(t *testing.T) {
	for name, text := range map[string]string{
		"another one in a URL": `{"sid":"` + sid + `","url":"https://example.com/?other=` + otherSID + `&page=1"}`,
		"none but in a URL":    `{"sid":null,"url":"https://example.com/?other=` + otherSID + `&page=1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			app := newApp(t)
			app.fake.Put(trusthub.CustomerProfile{SID: otherSID})
			status := app.call(signedFor("POST", "/?bodySHA256="+hashOf(text), text))
			want, fetched := http.StatusNoContent, sid
			if strings.HasPrefix(name, "none") {
				want, fetched = http.StatusBadRequest, ""
			}
			if got := strings.Join(app.fetched(), " "); status != want || got != fetched {
				t.Errorf("status %d, fetched %q", status, got)
			}
		})
	}
}

// Twilio signs the URL as it calls it. The path is verified as it was received, escaped or not.
func TestCallbackPathsAsReceived(t *testing.T) {
	fake := trusthubtest.NewHandler()
	client := over(t, fake)
	h := callbackHandler(t, client, "https://app.example.com", failWith(nil))
	server := httptest.NewServer(h)
	defer server.Close()
	raw := func(target, signedURL, body string, header ...string) string {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		trusthubtest.SignCallback(r, signedURL)
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Twilio-Signature: %s\r\nContent-Length: %d\r\n%s\r\n%s", target, r.Header.Get("X-Twilio-Signature"), len(body), strings.Join(header, ""), body)
		b, _ := io.ReadAll(conn)
		line, _, _ := strings.Cut(string(b), "\r\n")
		return line
	}
	s := sid
	for _, target := range []string{"/" + s, "/a%2Fb/" + s, "/a%2fb/" + s, "/a+b/" + s, "/a~b%7Ec/" + s, "/a'b(c)!*/" + s, "/ä/" + s, "/%C3%A4/" + s, "/a;b=c/" + s, "/a:b@c/" + s, "//x/" + s, "/" + s + "/", "/" + s + "?", "/" + s + "?a=b&c", "/" + s + "?a=%zz", "/" + s + "?a?b", "/a|b/" + s, "/a\"b/" + s, "/a[b]/" + s, "/a{b}/" + s, "/a^b/" + s, "/a\\b/" + s, "/a`b/" + s, "/a<b>/" + s, "/./" + s, "/../" + s, "/a%00b/" + s, "/a$&,=b/" + s, "/%62/" + s} {
		if got := raw(target, "https://app.example.com"+target, "Status=x"); got != "HTTP/1.1 204 No Content" {
			t.Errorf("%s: %s", target, got)
		}
	}
}
