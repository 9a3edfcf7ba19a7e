package callbacks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/internal/gatewaytest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Requests that Twilio and proxies really send, with one test each.

const (
	accountSID     = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" // of the documented example
	settingsHeader = "X-Twilio-Webhooks-Signature-Settings"
	sharedKeyID    = "webhooks_sharedkey_01k5c0ffee"
	sharedSecret   = "a-secret-of-a-shared-key"
)

// A GET has all parameters in its query, and a bodySHA256 without a body:
// https://github.com/twilio/twilio-php/issues/861.
func TestCallbackGETWithBodySHA256(t *testing.T) {
	const hash = "bodySHA256=b7a80df52b4d45926de7e92a63219b4dec8e93e3527a65188d147b54c880ea9f"
	const query = "/kyc/status?" + hash + "&" + hash + "&AccountSid=" + accountSID + "&BundleSid=" + sid + "&Status=pending-review&FailureReason=not%20known"
	app := newApp(t)
	if status := app.call(signedFor(http.MethodGet, query, "")); status != http.StatusNoContent || len(app.events) != 1 {
		t.Fatalf("status %d", status)
	}
	event := app.events[0]
	if event.AccountSID != accountSID || event.BundleSID != sid || event.Status != "pending-review" || event.FailureReason != "not known" || len(event.Values["bodySHA256"]) != 2 {
		t.Errorf("got %+v", event.Values)
	}
	withBody := signedFor(http.MethodGet, query, "")
	withBody.Body = io.NopCloser(strings.NewReader("BundleSid=" + otherSID))
	asPost := signedFor(http.MethodGet, query, "")
	asPost.Method = http.MethodPost
	for name, r := range map[string]*http.Request{"a body": withBody, "a POST": asPost} {
		if status := app.call(r); status != http.StatusForbidden {
			t.Errorf("%s whose hash is another: status %d", name, status)
		}
	}
	parsed := signedFor(http.MethodGet, "/?BundleSid="+sid, "")
	parsed.PostForm = map[string][]string{"BundleSid": {otherSID}, "Status": {"forged"}}
	if status := app.call(parsed); status != http.StatusNoContent || app.events[1].BundleSID != sid || app.events[1].Status != "" {
		t.Errorf("a PostForm with a query: status %d, %v", status, app.events[1].Values)
	}
}

func TestCallbackWithRepeatedQueryParameters(t *testing.T) {
	for query, want := range map[string]int{
		"/?BundleSid=" + sid + "&BundleSid=" + sid + "&Status=a&Status=b":                                 http.StatusNoContent,
		"/?BundleSid=" + sid + "&BundleSid=" + otherSID:                                                   http.StatusBadRequest,
		"/?BundleSid=" + sid + "&PrimaryProfile=" + otherSID:                                              http.StatusNoContent,
		"/?BundleSid=" + sid + "&AccountSid=" + accountSID + "&AccountSid=" + strings.ToLower(accountSID): http.StatusNoContent,
		"/?BundleSid=" + sid + "&AccountSid=" + accountSID + "&AccountSid=AC" + strings.Repeat("0", 32):   http.StatusForbidden,
		"/" + sid + "?AccountSid=" + accountSID + "&BundleSid=" + otherSID + "&BundleSid=BU1&bodySHA256":  http.StatusNoContent,
	} {
		app := newApp(t)
		if status := app.call(signedFor(http.MethodGet, query, "")); status != want {
			t.Errorf("%s: status %d, want %d", query, status, want)
		}
	}
}

// The signature of a SharedKey uses the algorithm named in the header. The id in the header selects
// the key.
func TestCallbackSignedWithASharedKey(t *testing.T) {
	key, next := trusthub.SharedKey(sharedKeyID, sharedSecret), trusthub.SharedKey("webhooks_sharedkey_next", "another secret")
	asToken := trusthub.AuthToken(sharedSecret)
	form := "AccountSid=" + accountSID + "&BundleSid=" + sid
	signedBy := func(key trusthub.SigningKey, algorithm string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader(form))
		r.Header.Set(settingsHeader, "key=?,algorithm="+algorithm)
		trusthubtest.SignCallbackWith(r, hookURL, key)
		return r
	}
	header := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[settingsHeader] = values }
	}
	for name, test := range map[string]struct {
		algorithm string
		change    func(*http.Request)
		keys      []trusthub.SigningKey
		want      string // text in the error; "": valid
	}{
		"HMAC_SHA256":             {"HMAC_SHA256", nil, []trusthub.SigningKey{key}, ""},
		"HMAC_SHA1":               {"HMAC_SHA1", nil, []trusthub.SigningKey{key}, ""},
		"while it is rotated":     {"HMAC_SHA256", nil, []trusthub.SigningKey{next, authKey, key}, ""},
		"spaces and case":         {"HMAC_SHA256", header(" algorithm = hmac_sha256 , key = " + sharedKeyID + ", x=y"), []trusthub.SigningKey{key}, ""},
		"unknown key":             {"HMAC_SHA256", nil, []trusthub.SigningKey{next, authKey}, `the SharedKey "` + sharedKeyID + `" that`},
		"the key of an id":        {"HMAC_SHA256", nil, []trusthub.SigningKey{trusthub.SharedKey(sharedKeyID, "another secret"), asToken}, "does not match"},
		"unknown algorithm":       {"HMAC_SHA256", header("key=" + sharedKeyID + ",algorithm=HMAC_MD5\n"), []trusthub.SigningKey{key}, `the algorithm "HMAC_MD5" that`},
		"no algorithm":            {"HMAC_SHA1", header("key=" + sharedKeyID), []trusthub.SigningKey{key}, "does not name a key and an algorithm"},
		"no key":                  {"HMAC_SHA1", header("key=,algorithm=HMAC_SHA1"), []trusthub.SigningKey{key, asToken}, "does not name a key and an algorithm"},
		"empty header":            {"HMAC_SHA1", header(""), []trusthub.SigningKey{key, asToken}, "does not name a key and an algorithm"},
		"key twice in the header": {"HMAC_SHA1", header("key=" + sharedKeyID + ",key=a,algorithm=HMAC_SHA1"), []trusthub.SigningKey{key}, "twice"},
		"header twice":            {"HMAC_SHA1", header("key="+sharedKeyID+",algorithm=HMAC_SHA1", "key="+sharedKeyID+",algorithm=HMAC_SHA1"), []trusthub.SigningKey{key}, "more than once"},
		"two keys of an id":       {"HMAC_SHA1", nil, []trusthub.SigningKey{key, trusthub.SharedKey(sharedKeyID, "b")}, "several keys have the id"},
		"endless header":          {"HMAC_SHA1", header(strings.Repeat(",", 2000)), []trusthub.SigningKey{key}, "longer than 1 KiB"},
		"header lost":             {"HMAC_SHA1", header(), []trusthub.SigningKey{key}, "there is no auth token"},
		// The same signature as the one of the token.
		"header lost, same token": {"HMAC_SHA1", header(), []trusthub.SigningKey{asToken}, ""},
		"other algorithm named":   {"HMAC_SHA256", header("key=" + sharedKeyID + ",algorithm=HMAC_SHA1"), []trusthub.SigningKey{key}, "does not hold a signature by HMAC_SHA1"},
		"signature twice": {"HMAC_SHA1", func(r *http.Request) {
			r.Header["X-Twilio-Signature"] = append(r.Header["X-Twilio-Signature"], r.Header["X-Twilio-Signature"]...)
		}, []trusthub.SigningKey{key}, "X-Twilio-Signature is there more than once"},
	} {
		t.Run(name, func(t *testing.T) {
			r := signedBy(key, test.algorithm)
			if test.change != nil {
				test.change(r)
			}
			err := trusthub.VerifyCallback(r, hookURL, test.keys...)
			if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, trusthub.ErrSignature) || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), sharedSecret) || len(err.Error()) > 300) {
				t.Errorf("got %v", err)
			}
		})
	}
	r := signedBy(authKey, "HMAC_SHA1")
	r.Header.Set(settingsHeader, "key="+sharedKeyID+",algorithm=HMAC_SHA1")
	if err := trusthub.VerifyCallback(r, hookURL, authKey, key); !errors.Is(err, trusthub.ErrSignature) {
		t.Errorf("an auth token is valid with the header: %v", err)
	}
}

// User and password of the URL may be part of the signed text or not: Twilio's documentation
// removes them, and its libraries keep them.
func TestCallbackURLWithUserInfo(t *testing.T) {
	const public = "https://user:hunter2@app.example.com"
	for _, signed := range []string{public, "https://app.example.com", public + ":443", "https://app.example.com:443"} {
		r := httptest.NewRequest(http.MethodPost, "/"+sid, nil)
		r.SetBasicAuth("user", "hunter2")
		trusthubtest.SignCallback(r, signed+"/"+sid)
		answer := httptest.NewRecorder()
		newApp(t).handlerAt(public).ServeHTTP(answer, r)
		if answer.Code != http.StatusNoContent {
			t.Errorf("signed for %s: status %d", signed, answer.Code)
		}
	}
	for _, signed := range []string{"https://user@app.example.com", "https://other:hunter2@app.example.com"} {
		r := httptest.NewRequest(http.MethodPost, "/"+sid, nil)
		trusthubtest.SignCallback(r, signed+"/"+sid)
		if err := trusthub.VerifyCallback(r, public+"/"+sid, authKey); err == nil {
			t.Errorf("signed for %s: accepted", signed)
		}
		if err := trusthub.VerifyCallback(r, publicURL+"/"+sid, authKey); err == nil {
			t.Errorf("signed for %s: accepted without", signed)
		}
	}
}

// The documented status_callback http://www.example.com has no path, but its request has one.
func TestCallbackURLWithoutPath(t *testing.T) {
	form := "AccountSid=" + accountSID + "&BundleSid=" + sid
	for _, test := range []struct{ signed, public, target string }{
		{"https://app.example.com", publicURL, "/"},
		{"https://app.example.com", publicURL + "/", "/"},
		{"https://app.example.com/", publicURL, "/"},
		{"https://app.example.com:443", publicURL, "/"},
		{"https://app.example.com?a=b", publicURL, "/?a=b"},
		{"https://app.example.com/?a=b", publicURL, "/?a=b"},
	} {
		r := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader(form))
		trusthubtest.SignCallback(r, test.signed)
		answer := httptest.NewRecorder()
		newApp(t).handlerAt(test.public).ServeHTTP(answer, r)
		if answer.Code != http.StatusNoContent {
			t.Errorf("signed for %s: status %d", test.signed, answer.Code)
		}
	}
	for signed, called := range map[string]string{publicURL + "/a": publicURL + "/a/", publicURL + "/a/": publicURL + "/a", publicURL: publicURL + "//"} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		trusthubtest.SignCallback(r, signed)
		if err := trusthub.VerifyCallback(r, called, authKey); err == nil {
			t.Errorf("signed for %s: accepted at %s", signed, called)
		}
	}
}

// Path and query keep their spelling, with and without a port, also where Go would escape
// differently.
func TestCallbackURLWithUnusualCharactersAndPorts(t *testing.T) {
	for _, rest := range []string{"/it's/" + sid, "/a(b)!*/" + sid, "/a|b[c]/" + sid, "/%7Ea~b/" + sid, "/a%2fb/" + sid + "?q=a'b|c&d=é", "/" + sid + "?a=%zz"} {
		for _, ports := range [][2]string{{":443", ""}, {"", ":443"}, {"", ":8443"}, {":8443", ":8443"}} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Status=draft"))
			trusthubtest.SignCallback(r, publicURL+ports[0]+rest)
			if err := trusthub.VerifyCallback(r, publicURL+ports[1]+rest, authKey); err != nil {
				t.Errorf("signed with port %q, called with %q, %s: %v", ports[0], ports[1], rest, err)
			}
		}
	}
}

// When middleware has parsed the form, the values of PostForm are verified, and Handle gets these.
func TestCallbackFormParsedBefore(t *testing.T) {
	form := "AccountSid=" + accountSID + "&BundleSid=" + sid + "&Status=draft&A=2&A=1"
	parsed := func(change func(*http.Request)) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/?Status=forged", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		trusthubtest.SignCallback(r, publicURL+"/?Status=forged")
		change(r)
		return r
	}
	parseForm := func(r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"ParseForm":        {parseForm, http.StatusNoContent},
		"FormValue":        {func(r *http.Request) { _ = r.FormValue("a") }, http.StatusNoContent},
		"and changed":      {func(r *http.Request) { parseForm(r); r.PostForm.Set("Status", "forged") }, http.StatusForbidden},
		"and added to":     {func(r *http.Request) { parseForm(r); r.PostForm.Set("B", "") }, http.StatusForbidden},
		"and too many":     {func(r *http.Request) { parseForm(r); r.PostForm["A"] = make([]string, 301) }, http.StatusForbidden},
		"and too large":    {func(r *http.Request) { parseForm(r); r.PostForm.Set("A", strings.Repeat("a", 64<<10)) }, http.StatusForbidden},
		"a body beside":    {func(r *http.Request) { r.PostForm = map[string][]string{"Status": {"forged"}} }, http.StatusNoContent},
		"read and dropped": {func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApp(t)
			r := parsed(test.change)
			if status := app.call(r); status != test.status {
				t.Fatalf("status %d, want %d", status, test.status)
			}
			if len(app.events) > 0 && (app.events[0].Status != "draft" || app.events[0].BundleSID != sid) {
				t.Errorf("got %v", app.events[0].Values)
			}
		})
	}
	dropped := parsed(func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	if err := trusthub.VerifyCallback(dropped, publicURL+"/?Status=forged", authKey); err == nil || !strings.Contains(err.Error(), "the body was read before") {
		t.Errorf("got %v", err)
	}
	dropped.ContentLength = -1 // chunked: the body may have been empty
	if err := trusthub.VerifyCallback(dropped, publicURL+"/", authKey); err == nil || !strings.Contains(err.Error(), "was it read before?") {
		t.Errorf("got %v", err)
	}
	document := `{"BundleSid":"` + sid + `"}`
	hashed := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(document))
	trusthubtest.SignCallback(hashed, publicURL+"/?bodySHA256="+hashOf(document))
	hashed.PostForm, hashed.Body = map[string][]string{document: {""}}, http.NoBody
	if err := trusthub.VerifyCallback(hashed, publicURL+"/?bodySHA256="+hashOf(document), authKey); err == nil || !strings.Contains(err.Error(), "parsed before") {
		t.Errorf("got %v", err)
	}
}

// A dead connection to Twilio needs one attempt of 3 s, and the callback is still handled.
func TestCallbackOverADeadConnection(t *testing.T) {
	apitest.InBothProtocols(t, func(t *testing.T, protocols *http.Protocols) {
		client, line := apitest.OnFreezableLine(t, protocols)
		handler := callbackHandler(t, client, publicURL, failWith(nil))
		call := func() (status int, took time.Duration) {
			start, answer := time.Now(), httptest.NewRecorder()
			handler.ServeHTTP(answer, signedFor(http.MethodPost, "/"+sid, ""))
			return answer.Code, time.Since(start)
		}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { call() })
		}
		all.Wait()
		if line.Freeze() == 0 {
			t.Fatal("there is no connection")
		}
		for i := range 4 { // one by one, while earlier calls are in flight
			time.Sleep(time.Duration(i) * 400 * time.Millisecond)
			all.Go(func() {
				if status, took := call(); status != http.StatusNoContent || took > 4*time.Second {
					t.Errorf("status %d after %v", status, took)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Minute) // time for the client to close the dead connections
	})
}

// A shorter WithTimeout is kept.
func TestCallbackKeepsAShorterTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, trusthub.WithTimeout(time.Second))
		app.fake.Fail(trusthubtest.Fault{Delay: time.Hour})
		start := time.Now()
		status := app.call(signedFor(http.MethodPost, "/"+sid, ""))
		if took := time.Since(start); status != http.StatusServiceUnavailable || took != time.Second {
			t.Errorf("status %d after %v", status, took)
		}
	})
}

// An event of another account is not passed to Handle.
func TestCallbackOfAnotherAccount(t *testing.T) {
	app := newApp(t)
	other := "AC" + strings.Repeat("0", 32)
	for _, r := range []*http.Request{
		signedFor(http.MethodPost, "/", "AccountSid="+other+"&BundleSid="+sid),
		signedFor(http.MethodGet, "/?AccountSid="+other+"&BundleSid="+sid, ""),
	} {
		if status := app.call(r); status != http.StatusForbidden || len(app.handled) > 0 {
			t.Errorf("%s: status %d, handled %d times", r.Method, status, len(app.handled))
		}
	}
	app.fake.Put(trusthub.CustomerProfile{SID: otherSID}) // without an account SID
	if status := app.call(signedFor(http.MethodPost, "/", "AccountSid="+other+"&BundleSid="+otherSID)); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
}

// The event also has the values of a JSON body, and prints none of them.
func TestCallbackEvent(t *testing.T) {
	app := newApp(t)
	document := `{"AccountSid":"` + accountSID + `","BundleSid":"` + sid + `","Status":"hunter2","FailureReason":"hunter2","n":1}`
	if status := app.call(signedFor(http.MethodPost, "/?bodySHA256="+hashOf(document), document)); status != http.StatusNoContent {
		t.Fatalf("status %d", status)
	}
	event := app.events[0]
	if event.AccountSID != accountSID || event.BundleSID != sid || event.Status != "hunter2" || event.FailureReason != "hunter2" || len(event.Values) != 4 {
		t.Errorf("got %v", event.Values)
	}
	for _, value := range []any{event, &event, []any{event}, map[string]any{"e": event}} {
		if printed := apitest.EveryForm(t, value); strings.Contains(printed, "hunter2") || !strings.Contains(printed, "trusthub.CallbackEvent(4 parameters)") {
			t.Errorf("prints %s", printed)
		}
	}
	for _, key := range []trusthub.SigningKey{trusthub.AuthToken("hunter2"), trusthub.SharedKey("id", "hunter2")} {
		hidden := fmt.Sprintf("%v %+v", struct{ key trusthub.SigningKey }{key}, struct{ key *trusthub.SigningKey }{&key})
		if printed := apitest.EveryForm(t, key) + apitest.EveryForm(t, []any{&key}) + hidden; strings.Contains(printed, "hunter2") {
			t.Errorf("prints %s", printed)
		}
	}
}

// 2,000 accounts with a token each use 2,000 handlers. Each request is verified only with the keys
// of its account.
func TestCallbacksOfManyAccounts(t *testing.T) {
	const accounts = 2000
	fake, mux := trusthubtest.NewHandler(), http.NewServeMux()
	name := func(i int) (account, token, profile string) {
		return fmt.Sprintf("AC%032x", i), fmt.Sprintf("token %d", i), fmt.Sprintf("BU%032x", i)
	}
	handled := 0
	for i := range accounts {
		account, token, profile := name(i)
		fake.AddAccount(account, token)
		fake.Put(trusthub.CustomerProfile{SID: profile, AccountSID: account})
		client, err := trusthub.NewClient(trusthub.BasicAuth(account, token), trusthub.WithHTTPClient(&http.Client{Transport: fake}))
		if err != nil {
			t.Fatal(err)
		}
		handler, err := client.CallbackHandler(trusthub.CallbackConfig{PublicURL: publicURL, Keys: []trusthub.SigningKey{trusthub.AuthToken(token)}, Handle: func(_ context.Context, got *trusthub.CustomerProfile, _ trusthub.CallbackEvent) error {
			if handled++; got.SID != profile {
				t.Errorf("%s got %s", account, got.SID)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("/trusthub/"+account+"/", handler)
	}
	for i := range accounts {
		account, token, profile := name(i)
		_, wrong, foreign := name((i + 1) % accounts)
		for _, test := range []struct {
			token, profile string
			status         int
		}{{token, profile, http.StatusNoContent}, {wrong, profile, http.StatusForbidden}, {token, foreign, http.StatusNoContent}} {
			target := "/trusthub/" + account + "/" + test.profile
			r := httptest.NewRequest(http.MethodPost, target, nil)
			trusthubtest.SignCallbackWith(r, publicURL+target, trusthub.AuthToken(test.token))
			answer := httptest.NewRecorder()
			if mux.ServeHTTP(answer, r); answer.Code != test.status {
				t.Fatalf("%s: status %d, want %d", target, answer.Code, test.status)
			}
		}
	}
	if handled != accounts {
		t.Errorf("%d handled", handled) // a profile of another account is a 404
	}
}

// An unsigned probe of a load balancer is not logged as Warn. A failing request of Twilio is.
func TestCallbackProbeIsNoWarning(t *testing.T) {
	var out bytes.Buffer
	app := newApp(t, trusthub.WithLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions} {
		app.call(httptest.NewRequest(method, "/", nil))
	}
	if out.Len() > 0 {
		t.Errorf("got %s", out.String())
	}
	app.call(forge("another token", publicURL+"/", ""))
	if !strings.Contains(out.String(), "level=WARN") || !strings.Contains(out.String(), "reason=signature") {
		t.Errorf("got %s", out.String())
	}
}

// After a response of a gateway, Twilio has to call again. The failure is logged.
func TestGatewaysInACallback(t *testing.T) {
	for name, fault := range gatewaytest.Gateways() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				app := newApp(t, apitest.Defaults(), trusthub.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
				app.fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) { return fault, true })
				status := app.call(signedFor(http.MethodPost, "/"+sid, ""))
				if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); status != http.StatusServiceUnavailable || len(app.handled) > 0 ||
					!strings.Contains(lines[len(lines)-1], "level=WARN") || !strings.Contains(lines[len(lines)-1], "status=503") {
					t.Errorf("status %d, handled %d times, logged %s", status, len(app.handled), out.String())
				}
			})
		})
	}
}
