package fakeserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/fakeserver"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const (
	example = trusthubtest.ExampleSID
	other   = "BU0123456789abcdef0123456789abcdef"
)

// fake is a server under test and its log.
type fake struct {
	*testing.T
	url string
	log bytes.Buffer
}

func start(t *testing.T, config fakeserver.Config) *fake {
	t.Helper()
	f := &fake{T: t}
	config.Log = &f.log
	server := httptest.NewServer(fakeserver.New(config))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// tell sends a control request and returns the body of the response. It checks the status.
func (f *fake) control(status int, method, path, body string) string {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), method, f.url+"/_fake/"+path, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		f.Errorf("%s %s: got %d %s, %v", method, path, answer.StatusCode, text, err)
	}
	return string(text)
}

// fetch makes one attempt and returns the status, or the error of the connection.
func (f *fake) fetch(sid string) (*trusthub.CustomerProfile, int, error) {
	f.Helper()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), trusthub.WithBaseURL(f.url),
		trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		f.Fatal(err)
	}
	var response trusthub.Response
	profile, err := client.FetchCustomerProfile(f.Context(), sid, trusthub.WithResponseInto(&response))
	return profile, response.StatusCode, err
}

func (f *fake) expect(sid string, want int) {
	f.Helper()
	if _, status, err := f.fetch(sid); status != want {
		f.Errorf("%s: got %d, want %d: %v", sid, status, want, err)
	}
}

func TestHealth(t *testing.T) {
	f := start(t, fakeserver.Config{})
	if got := f.control(200, "GET", "health", ""); !strings.Contains(got, `"ok"`) {
		t.Errorf("got %s", got)
	}
	f.control(404, "GET", "nonsense", "")
	f.control(405, "GET", "faults", "")
}

func TestProfiles(t *testing.T) {
	f := start(t, fakeserver.Config{Profiles: []trusthub.CustomerProfile{{SID: other, Status: trusthub.StatusInReview}}})
	f.expect(example, 200)
	if profile, _, err := f.fetch(other); err != nil || profile.Status != trusthub.StatusInReview {
		t.Errorf("got %v, %v", profile, err)
	}
	f.control(204, "PUT", "profiles/"+other, `{"status":"twilio-rejected","errors":[{"code":18603}]}`)
	if profile, _, err := f.fetch(other); err != nil || profile.Status != trusthub.StatusTwilioRejected || profile.Errors[0].Code != 18603 {
		t.Errorf("got %v, %v", profile, err)
	}
	f.control(204, "PATCH", "profiles/"+other, `{"email":"a@acme.example","errors":null}`)
	text := f.control(200, "GET", "profiles/"+other, "")
	var profile trusthub.CustomerProfile
	if err := json.Unmarshal([]byte(text), &profile); err != nil || profile.Status != trusthub.StatusTwilioRejected || profile.Email != "a@acme.example" ||
		len(profile.Errors) > 0 || !strings.Contains(text, `"valid_until": null`) {
		t.Errorf("got %s, %v", text, err)
	}
	for _, wrong := range []string{``, `5`, `{"stauts":"draft"}`, `{"sid":"` + example + `"}`} {
		f.control(400, "PATCH", "profiles/"+other, wrong)
	}
	f.control(204, "DELETE", "profiles/BU"+strings.ToUpper(other[2:]), "")
	f.expect(other, 404)
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		if got := f.control(404, method, "profiles/"+other, `{}`); got != "there is no profile "+other+"\n" {
			t.Errorf("%s: got %s", method, got)
		}
		f.control(400, method, "profiles/BU1", `{}`)
	}
	f.control(413, "PUT", "profiles/"+other, `{"email":"`+strings.Repeat("a", 1<<20)+`"}`)
	for _, wrong := range []string{``, `{`, `[]`, `{} {}`, `{}}`, `{"stauts":"draft"}`, `{"sid":"` + example + `"}`, `{"valid_until":"soon"}`} {
		f.control(400, "PUT", "profiles/"+other, wrong)
	}
	if got := f.control(400, "PUT", "profiles/BU1", `{}`); !strings.Contains(got, "want BU and 32 hexadecimal digits") {
		t.Errorf("got %s", got)
	}
}

func TestFaults(t *testing.T) {
	f := start(t, fakeserver.Config{Profiles: []trusthub.CustomerProfile{{SID: other}}})
	f.control(204, "POST", "faults", `{"status":503,"times":2}`)
	f.control(204, "POST", "faults", `{"status":404,"sid":"BU`+strings.ToUpper(other[2:])+`"}`)
	f.expect(example, 503)
	f.expect(other, 503)
	f.expect(example, 200)
	f.expect(other, 404)
	f.expect(other, 200)

	for _, end := range []struct{ method, path string }{{"POST", "reset"}, {"DELETE", "faults"}} {
		f.control(204, "PUT", "profiles/"+other, `{"status":"in-review"}`)
		f.control(204, "POST", "faults", `{"status":500,"times":-1}`)
		for range 3 {
			f.expect(example, 500)
		}
		f.control(204, end.method, end.path, "")
		f.expect(example, 200)
	}
	if profile, _, err := f.fetch(other); err != nil || profile.Status != trusthub.StatusInReview {
		t.Errorf("got %v, %v", profile, err)
	}
	if got := f.control(200, "POST", "faults", `{"status":302}`); got != "warning: the contract documents no status 302\n" {
		t.Errorf("got %s", got)
	}
	f.expect(example, 302)

	f.control(204, "POST", "faults", `{"status":429,"header":{"Retry-After":"7"},"body":"slow down"}`)
	_, _, err := f.fetch(example)
	var apiErr *trusthub.Error
	if !errors.As(err, &apiErr) || apiErr.RetryAfter != 7*time.Second || string(apiErr.Body) != "slow down" {
		t.Errorf("got %v", err)
	}
	f.control(204, "POST", "faults", `{"body":{"email":1},"header":{"content-type":["application/json"]}}`)
	var decodeErr *trusthub.DecodeError
	if _, _, err := f.fetch(example); !errors.As(err, &decodeErr) || decodeErr.Pointer != "/email" {
		t.Errorf("got %v", err)
	}
	f.control(204, "POST", "faults", `{"preset":"cloudflare-403","header":{"Retry-After":"7"}}`)
	if _, _, err := f.fetch(example); !errors.As(err, &apiErr) || apiErr.StatusCode != 403 || apiErr.FromTwilio() || apiErr.RetryAfter != 7*time.Second {
		t.Errorf("got %v", err)
	}
	f.control(204, "POST", "faults", `{"status":404,"body":""}`)
	if _, _, err := f.fetch(example); !errors.Is(err, trusthub.ErrNotFound) || !errors.As(err, &apiErr) || len(apiErr.Body) > 0 {
		t.Errorf("got %v", err)
	}
	f.control(204, "POST", "faults", `{"truncate":true}`)
	if _, _, err := f.fetch(example); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	f.control(204, "POST", "faults", `{"reset":true,"delay":"1ms"}`)
	if _, status, err := f.fetch(example); err == nil || status != 0 {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestInvalidFaults(t *testing.T) {
	f := start(t, fakeserver.Config{})
	for body, want := range map[string]string{
		``:                                    "EOF",
		`{"stauts":503}`:                      "stauts",
		`{"status":42}`:                       "42",
		`{"delay":"soon"}`:                    "250ms",
		`{"delay":5}`:                         "delay",
		`{"times":0}`:                         "-1 for all",
		`{"sid":"BU1"}`:                       "32 hexadecimal digits",
		`{"header":{"A":1}}`:                  "cannot unmarshal",
		`{"status":503} {"a":"b"}`:            "follows",
		`{"preset":"nginx"}`:                  "nginx-404, nginx-502",
		`{"preset":"nginx-404","status":503}`: "takes neither status nor body",
	} {
		if got := f.control(400, "POST", "faults", body); !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
			t.Errorf("%s: got %s", body, got)
		}
	}
	f.expect(example, 200)
}

// Control requests are not recorded, have no faults and use no slot.
func TestRequests(t *testing.T) {
	f := start(t, fakeserver.Config{})
	f.control(204, "POST", "faults", `{"status":503}`)
	f.expect(example, 503)
	f.expect(other, 404)
	text := f.control(200, "GET", "requests", "")
	var got struct {
		Refused  int
		Requests []struct {
			Method, Path string
			Header       http.Header
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Requests) != 2 || got.Requests[1].Method != "GET" || got.Requests[1].Path != "/v1/CustomerProfiles/"+other || got.Requests[0].Header.Get("User-Agent") == "" {
		t.Errorf("got %s", text)
	}
	if strings.Contains(text, "Authorization") {
		t.Error("the response contains credentials")
	}
	f.control(204, "POST", "reset", "")
	if text := f.control(200, "GET", "requests", ""); !strings.Contains(text, `"requests": []`) {
		t.Errorf("got %s", text)
	}
}

func TestLimit(t *testing.T) {
	f := start(t, fakeserver.Config{})
	for _, wrong := range []string{``, `-1`, `1.5`, `"1"`, `{}`} {
		f.control(400, "PUT", "limit", wrong)
	}
	f.control(204, "PUT", "limit", `1`)
	f.control(204, "POST", "faults", `{"delay":"1h"}`)
	req, err := http.NewRequestWithContext(f.Context(), "GET", f.url+"/v1/CustomerProfiles/"+example, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = http.DefaultClient.Do(req) }() //nolint:bodyclose // ends with the test
	for !strings.Contains(f.control(200, "GET", "requests", ""), example) {
		continue // until the slow request is in flight
	}
	f.expect(example, 429)
	if text := f.control(200, "GET", "requests", ""); !strings.Contains(text, `"refused": 1`) {
		t.Errorf("got %s", text)
	}
	f.control(204, "PUT", "limit", `0`)
	f.expect(example, 200)
}

func TestReadProfiles(t *testing.T) {
	one, two := `{"sid":"`+example+`","status":"draft","email":null}`, `{"sid":"`+other+`"}`
	for _, text := range []string{"[" + one + "," + two + "]", one + "\n" + two + "\n", "\ufeff\n" + one + two, "[" + one + "]\n[" + two + "]", one + `{"sid":"BU1","error":{"message":"failed"}}` + two} {
		profiles, unknown, err := fakeserver.ReadProfiles(strings.NewReader(text))
		if err != nil || len(unknown) > 0 || len(profiles) != 2 || profiles[0].SID != example || profiles[1].SID != other {
			t.Errorf("%s: got %v, %q, %v", text, profiles, unknown, err)
		}
	}
	if profiles, _, err := fakeserver.ReadProfiles(strings.NewReader("")); err != nil || len(profiles) != 0 {
		t.Errorf("got %v, %v", profiles, err)
	}
	for text, want := range map[string]string{
		one + `{"sid":"BU1"}`: "profile 2: \"BU1\" is not",
		`[` + one:             "unexpected EOF",
		`5`:                   "profile 1: ",
		`null`:                "profile 1: ",
		`{"sid":5}`:           "profile 1: /sid: ",
	} {
		if _, _, err := fakeserver.ReadProfiles(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// Profiles of Twilio are read as in the SDK, with new properties and error items of another shape.
func TestReadProfilesWithUnknownProperties(t *testing.T) {
	profiles, unknown, err := fakeserver.ReadProfiles(strings.NewReader(`{"sid":"` + other + `","tier":1,"errors":[18603],"risk":null}`))
	if err != nil || len(profiles) != 1 || len(profiles[0].Errors) != 1 || !slices.Equal(unknown, []string{"risk", "tier"}) {
		t.Errorf("got %v, %q, %v", profiles, unknown, err)
	}
}

// A changed status causes a signed callback to the status_callback of the profile.
func TestCallbacks(t *testing.T) {
	for _, callBack := range []bool{true, false} {
		var called []error
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called = append(called, trusthub.VerifyCallback(r, "http://"+r.Host+r.URL.Path, trusthub.AuthToken(trusthubtest.Password)))
			w.WriteHeader(http.StatusNoContent)
		}))
		f := start(t, fakeserver.Config{CallBack: callBack})
		for _, status := range []string{"draft", "in-review", "in-review", "twilio-approved"} {
			f.control(http.StatusNoContent, "PUT", "profiles/"+other, `{"status":"`+status+`","status_callback":"`+app.URL+`/`+other+`"}`)
		}
		if want := map[bool]int{true: 2}[callBack]; len(called) != want || errors.Join(called...) != nil || strings.Count(f.log.String(), "callback 204") != want {
			t.Errorf("%v: called %v, log\n%s", callBack, called, f.log.String())
		}
		app.Close()
	}
}

// Callbacks are sent and signed in the configured style. They are listed with their responses.
func TestCallbackStyles(t *testing.T) {
	const account, token = "AC00000000000000000000000000000001", "token of 1"
	shared := trusthub.SharedKey("webhooks_sharedkey_1", "hunter2")
	var keys []trusthub.SigningKey
	status := http.StatusNoContent
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := trusthub.VerifyCallback(r, "http://u:hunter2@"+r.Host+r.URL.RequestURI(), keys...); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	}))
	defer app.Close()
	f := start(t, fakeserver.Config{CallBack: true})
	f.control(http.StatusNoContent, "PUT", "accounts/"+account, `"`+token+`"`)
	put := func(status string) {
		f.control(http.StatusNoContent, "PUT", "profiles/"+other, `{"account_sid":"`+account+`","status":"`+status+`","status_callback":"`+strings.Replace(app.URL, "://", "://u:hunter2@", 1)+`"}`)
	}
	put("draft")
	for i, test := range []struct {
		style string
		key   trusthub.SigningKey
	}{
		{`{}`, trusthub.AuthToken(token)},
		{`{"method":"GET","body_sha256":true,"drop_user_info":true}`, trusthub.AuthToken(token)},
		{`{"shared_key":{"id":"webhooks_sharedkey_1","secret":"hunter2"}}`, shared},
		{`{"shared_key":{"id":"webhooks_sharedkey_1","secret":"hunter2"},"algorithm":"HMAC_SHA1","method":"POST","body_sha256":true}`, shared},
	} {
		f.control(http.StatusNoContent, "PUT", "callbacks", test.style)
		keys, status = []trusthub.SigningKey{test.key}, 200+i
		put(fmt.Sprint("status ", i))
	}
	app.Close()
	put("twilio-approved")
	text := f.control(200, "GET", "callbacks", "")
	var got struct {
		Callbacks []struct {
			Method, URL, Body, Error, Duration string
			Status                             int
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Callbacks) != 5 || strings.Contains(text, "hunter2") || strings.Contains(text, token) {
		t.Fatalf("got %s, %v", text, err)
	}
	for i, one := range got.Callbacks {
		failed := i == 4
		if (one.Error != "") != failed || !failed && one.Status != 200+i || (one.Method == "GET") != (i == 1) || (one.Body == "") != (i == 1) || one.Duration == "" || !strings.HasPrefix(one.URL, "http://u:xxxxx@") {
			t.Errorf("%d: got %+v", i, one)
		}
	}
	f.control(http.StatusNoContent, "POST", "reset", "")
	if text := f.control(200, "GET", "callbacks", ""); !strings.Contains(text, `"callbacks": []`) {
		t.Errorf("got %s", text)
	}
	for _, wrong := range []string{``, `{"mehtod":"GET"}`, `{"method":"PUT"}`, `{"algorithm":"HMAC_SHA1"}`, `{"algorithm":"MD5","shared_key":{"id":"a","secret":"b"}}`, `{"shared_key":{"id":"a"}}`} {
		f.control(400, "PUT", "callbacks", wrong)
	}
	for _, wrong := range []string{``, `""`, `1`} {
		f.control(400, "PUT", "accounts/"+account, wrong)
	}
	if got := start(t, fakeserver.Config{}).control(400, "PUT", "callbacks", `{}`); !strings.Contains(got, "--callbacks") {
		t.Errorf("got %s", got)
	}
}

// Two PATCHes at the same time both count.
func TestPatchesAtTheSameTime(t *testing.T) {
	f := start(t, fakeserver.Config{})
	for i := range 100 {
		f.control(http.StatusNoContent, "PUT", "profiles/"+other, `{"status":"draft"}`)
		var both sync.WaitGroup
		both.Go(func() { f.control(http.StatusNoContent, "PATCH", "profiles/"+other, `{"status":"in-review"}`) })
		both.Go(func() {
			f.control(http.StatusNoContent, "PATCH", "profiles/"+other, fmt.Sprintf(`{"friendly_name":"n%d"}`, i))
		})
		both.Wait()
		if got := f.control(http.StatusOK, "GET", "profiles/"+other, ""); !strings.Contains(got, `"in-review"`) || !strings.Contains(got, fmt.Sprintf(`"n%d"`, i)) {
			t.Fatalf("got %s", got)
		}
	}
	f.control(http.StatusBadRequest, "PATCH", "profiles/"+other, `{"Status":"in-review"}`)
}

// A callback may be redirected.
func TestRedirectedCallback(t *testing.T) {
	target := httptest.NewServer(http.RedirectHandler("/other", http.StatusFound))
	defer target.Close()
	f := start(t, fakeserver.Config{CallBack: true})
	for _, status := range []string{"draft", "in-review"} {
		f.control(http.StatusNoContent, "PUT", "profiles/"+other, `{"status":"`+status+`","status_callback":"`+target.URL+`/hook"}`)
	}
}

func TestTooLargeBodies(t *testing.T) {
	f := start(t, fakeserver.Config{})
	many := strings.Repeat("1", 2<<20)
	for path, body := range map[string]string{"limit": many, "accounts/AC1": `"` + many + `"`, "profiles/" + other: "{}" + strings.Repeat(" ", 2<<20)} {
		f.control(http.StatusRequestEntityTooLarge, "PUT", path, body)
	}
}
