package trusthub_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// WithBaseURL accepts valid addresses. The error of an invalid one does not contain its parts,
// which can be secrets. internal/address has all cases.
func TestBaseURLs(t *testing.T) {
	auth := trusthub.BasicAuth("AC1", "p")
	for url, want := range map[string]string{
		"https://trusthub.twilio.com": "https://trusthub.twilio.com/", "https://h:8443/base/path": "https://h:8443/base/path/",
		"http://localhost:1": "http://localhost:1/", "http://[::1]:80/x": "http://[::1]:80/x/",
	} {
		if client, err := trusthub.NewClient(auth, trusthub.WithBaseURL(url)); err != nil || fmt.Sprint(client) != "trusthub.Client("+want+")" {
			t.Errorf("%s: got %v, %v", url, client, err)
		}
	}
	for _, url := range []string{"", "ftp://h", "https://user:secret@h", "https://h?secret=1", "https://u:secret:x@h:p", "http://10.0.0.1", "http://trusthub.twilio.com"} {
		client, err := trusthub.NewClient(auth, trusthub.WithBaseURL(url))
		if client != nil || err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "trusthub: ") {
			t.Errorf("%q: got %v, %v", url, client, err)
		}
	}
}

// Plain HTTP beyond loopback needs WithPlainHTTP, in any order of options. The error names this
// option.
func TestPlainHTTP(t *testing.T) {
	auth := trusthub.BasicAuth("AC1", "p")
	fake, permit := trusthub.WithBaseURL("http://fake:8080"), trusthub.WithPlainHTTP()
	if _, err := trusthub.NewClient(auth, fake); err == nil || !strings.Contains(err.Error(), "WithPlainHTTP") {
		t.Errorf("got %v", err)
	}
	for _, opts := range [][]trusthub.Option{{fake, permit}, {permit, fake}} {
		if client, err := trusthub.NewClient(auth, opts...); err != nil || fmt.Sprint(client) != "trusthub.Client(http://fake:8080/)" {
			t.Errorf("got %v, %v", client, err)
		}
	}
	if _, err := trusthub.NewClient(auth, permit, trusthub.WithBaseURL("ftp://fake")); err == nil {
		t.Error("another scheme was accepted")
	}
}

func TestEdges(t *testing.T) {
	auth := trusthub.BasicAuth("AC1", "p")
	client, err := trusthub.NewClient(auth, trusthub.WithEdge("dublin", "ie1"))
	if err != nil || fmt.Sprint(client) != "trusthub.Client(https://trusthub.dublin.ie1.twilio.com/)" {
		t.Errorf("got %v, %v", client, err)
	}
	for _, opt := range []trusthub.Option{trusthub.WithEdge("evil.example/", "us1"), trusthub.WithEdge("ashburn", "")} {
		if client, err := trusthub.NewClient(auth, opt); client != nil || err == nil || !strings.HasPrefix(err.Error(), "trusthub: ") {
			t.Errorf("got %v, %v", client, err)
		}
	}
}

// Two addresses are an error, in any order of options.
func TestOneAddressOnly(t *testing.T) {
	auth := trusthub.BasicAuth("AC1", "p")
	edge, url := trusthub.WithEdge("dublin", "ie1"), trusthub.WithBaseURL("https://h")
	for _, opts := range [][]trusthub.Option{{edge, url}, {url, edge}, {url, url}, {edge, edge}} {
		if client, err := trusthub.NewClient(auth, opts...); client != nil || err == nil {
			t.Errorf("got %v", client)
		}
	}
}

func TestBasePathIsKept(t *testing.T) {
	for _, path := range []string{"", "/", "/base", "/base/", "/a%20b/c%2Fd"} {
		var got string
		url := apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.EscapedPath()
			apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
		})
		want := strings.TrimSuffix(path, "/") + "/v1/CustomerProfiles/" + sid
		if _, err := apitest.At(t, url+path).FetchCustomerProfile(t.Context(), sid); err != nil || got != want {
			t.Errorf("%q: server saw %q, client %v", path, got, err)
		}
	}
}

// An empty port after the colon means the default port.
func TestBaseURLWithAnEmptyPort(t *testing.T) {
	client := apitest.At(t, "https://h:", trusthub.WithHTTPClient(&http.Client{Transport: apitest.OK()}))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
		t.Error(err)
	}
}

// Redirects are not followed, because they could send credentials to another host. They are
// returned as errors.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := apitest.Serve(t, func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	for _, status := range []int{301, 302, 303, 304, 307, 308} {
		client := apitest.At(t, apitest.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere)
			w.WriteHeader(status)
		}), trusthub.WithHTTPClient(&http.Client{}))
		_, err := client.FetchCustomerProfile(t.Context(), sid)
		var apiErr *trusthub.Error
		if !errors.As(err, &apiErr) || apiErr.StatusCode != status {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

func TestHTTPClientIsCopied(t *testing.T) {
	theirs := &http.Client{
		Timeout: time.Hour,
		Transport: apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("their transport")
		}),
	}
	client := apitest.At(t, "https://h", trusthub.WithHTTPClient(theirs))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err == nil || !strings.Contains(err.Error(), "their transport") {
		t.Errorf("got %v", err)
	}
	if theirs.CheckRedirect != nil || theirs.Timeout != time.Hour {
		t.Error("the caller's client was changed")
	}
}

// A transport that breaks the rules of http.RoundTripper causes an error and not a panic.
func TestTransportsThatReturnNothing(t *testing.T) {
	for _, answer := range []*http.Response{nil, {StatusCode: 200}} {
		client := apitest.At(t, "https://h", trusthub.WithHTTPClient(&http.Client{
			Transport: apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return answer, nil }),
		}))
		if profile, err := client.FetchCustomerProfile(t.Context(), sid); profile != nil || err == nil {
			t.Errorf("got %v, %v", profile, err)
		}
	}
}

// The error names the invalid option.
func TestInvalidOptions(t *testing.T) {
	for name, opts := range map[string][]trusthub.Option{
		"WithHTTPClient":       {trusthub.WithHTTPClient(nil), trusthub.WithHTTPClient(&http.Client{Timeout: -1})},
		"WithMiddleware":       {trusthub.WithMiddleware(nil), trusthub.WithMiddleware(func(http.RoundTripper) http.RoundTripper { return nil })},
		"WithUserAgent":        {trusthub.WithUserAgent(""), trusthub.WithUserAgent("a\r\nX: y")},
		"WithTimeout":          {trusthub.WithTimeout(0)},
		"WithMaxConcurrency":   {trusthub.WithMaxConcurrency(0)},
		"WithMaxResponseBytes": {trusthub.WithMaxResponseBytes(0)},
		"WithLogger":           {trusthub.WithLogger(nil)},
		"WithRetry":            {trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: -1})},
		"WithBaseURL":          {trusthub.WithBaseURL("ftp://h")},
		"WithEdge":             {trusthub.WithEdge("a.b", "us1")},
		"WithPlainHTTP":        {trusthub.WithBaseURL("http://example.com")},
		"Option":               {nil},
	} {
		for _, opt := range opts {
			client, err := trusthub.NewClient(trusthub.BasicAuth("AC1", "p"), opt)
			option, ok := errors.AsType[*trusthub.OptionError](err)
			if client != nil || !ok || option.Option != name || err.Error() != "trusthub: "+name+": "+option.Err.Error() {
				t.Errorf("%s: got %v, %v", name, client, err)
			}
		}
	}
}

// A nil CallOption is ignored.
func TestNilCallOption(t *testing.T) {
	client := apitest.Over(t, apitest.OK())
	if _, err := client.FetchCustomerProfile(t.Context(), sid, nil); err != nil {
		t.Error(err)
	}
}

func TestUserAgentIsAppended(t *testing.T) {
	var got string
	url := apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.UserAgent()
		apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
	})
	client := apitest.At(t, url, trusthub.WithUserAgent("billing/2.1"), trusthub.WithUserAgent("(nightly)"))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || !strings.HasSuffix(got, " billing/2.1 (nightly)") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRequestHeaders(t *testing.T) {
	var got http.Header
	client := apitest.At(t, apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
	}))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
		t.Fatal(err)
	}
	if got.Get("Accept") != apitest.JSON || !strings.HasPrefix(got.Get("User-Agent"), "trusthub-go/") {
		t.Errorf("got %v", got)
	}
}

func TestCredentialsThatCannotWork(t *testing.T) {
	for name, auth := range map[string]trusthub.Auth{
		"none":               nil,
		"nil func":           trusthub.AuthFunc(nil),
		"empty user name":    trusthub.BasicAuth("", "hunter2"),
		"empty password":     trusthub.BasicAuth("AC1", ""),
		"colon in user name": trusthub.BasicAuth("AC:1", "hunter2"),
		"line break":         trusthub.BasicAuth("AC1", "hunter2\n"),
		"control character":  trusthub.BasicAuth("AC1\x7f", "hunter2"),
	} {
		client, err := trusthub.NewClient(auth)
		if client != nil || err == nil || strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "trusthub: ") {
			t.Errorf("%s: got %v, %v", name, client, err)
		}
	}
}

func TestBasicAuthSendsAnyPassword(t *testing.T) {
	const password = `p:ä"\ %41&`
	var got string
	url := apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, got, _ = r.BasicAuth()
		apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
	})
	client, err := trusthub.NewClient(trusthub.BasicAuth("SK1", password), trusthub.WithBaseURL(url))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || got != password {
		t.Errorf("server saw %q, client %v", got, err)
	}
}

func TestFailedAuthenticationSendsNothing(t *testing.T) {
	url := apitest.Serve(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	failure := errors.New("no token")
	client, err := trusthub.NewClient(trusthub.AuthFunc(func(*http.Request) error { return failure }), trusthub.WithBaseURL(url))
	if err != nil {
		t.Fatal(err)
	}
	if profile, err := client.FetchCustomerProfile(t.Context(), sid); profile != nil || !errors.Is(err, failure) {
		t.Errorf("got %v, %v", profile, err)
	}
	if answer, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid); answer != nil || !errors.Is(err, failure) {
		t.Errorf("generated client: got %v, %v", answer, err)
	}
}

// A client, its credentials and the responses of the generated client print no secret.
func TestNothingPrintsSecrets(t *testing.T) {
	const secret = "hunter2-hunter2"
	auth := trusthub.BasicAuth("AC1", secret)
	client, err := trusthub.NewClient(auth, trusthub.WithBaseURL(apitest.Serve(t, apitest.Answer(200, apitest.JSON, apitest.Profile))))
	if err != nil {
		t.Fatal(err)
	}
	generated := client.Generated()
	raw, err := generated.FetchCustomerProfile(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Body.Close()
	type hidden struct { // fmt calls no methods of unexported fields
		auth   trusthub.Auth
		client *trusthub.Client
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("AC1:" + secret))
	for name, value := range map[string]any{
		"auth": auth, "client": client, "client value": *client, "hidden": hidden{auth, client}, "pointer to hidden": &hidden{auth, client},
		"generated": generated, "raw request": raw.Request, "raw request header": raw.Request.Header,
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb, value)
		}
		for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			slog.New(handler).Info("m", "value", value)
		}
		hex := fmt.Sprintf("%x", secret)
		if text := out.String(); strings.Contains(text, secret) || strings.Contains(text, encoded) || strings.Contains(text, hex) ||
			strings.Contains(text, fmt.Sprintf("%x", encoded)) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Each attempt is signed again.
func TestEachAttemptIsSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signed := 0
		var sent []string
		auth := trusthub.AuthFunc(func(req *http.Request) error {
			signed++
			req.Header.Set("Authorization", fmt.Sprint("Bearer ", signed))
			return nil
		})
		client := apitest.Client(t, auth, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = append(sent, req.Header.Get("Authorization"))
			return apitest.Unavailable()(req)
		}))
		_, _ = fetch(t.Context(), client)
		if want := []string{"Bearer 1", "Bearer 2", "Bearer 3"}; !slices.Equal(sent, want) {
			t.Errorf("sent %q", sent)
		}
	})
}

// An attempt that exceeds its timeout while it waits for a token is retried.
func TestTimeoutOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tokens atomic.Int64
		auth := trusthub.AuthFunc(func(req *http.Request) error {
			if tokens.Add(1) == 50 {
				<-req.Context().Done() // only once
				return req.Context().Err()
			}
			return nil
		})
		server := apitest.NewScene(100*time.Millisecond, func(time.Duration, string) apitest.RoundTripFunc { return nil })
		results := apitest.FetchAll(t.Context(), t, apitest.Client(t, auth, server), 10000)
		if len(results) != 10000 || apitest.Failed(results) > 0 {
			t.Errorf("%d of 10000 results, %d lost", len(results), apitest.Failed(results))
		}
	})
}

func TestNewClientFromEnv(t *testing.T) {
	const global = "https://trusthub.twilio.com"
	for name, test := range map[string]struct {
		env      string
		user     string // user and password of the request
		host     string
		complain string // text in the error
	}{
		"account":            {"ACCOUNT_SID=AC1 AUTH_TOKEN=t", "AC1:t", global, ""},
		"API key":            {"API_KEY=SK1 API_SECRET=s", "SK1:s", global, ""},
		"both":               {"ACCOUNT_SID=AC1 AUTH_TOKEN=t API_KEY=SK1 API_SECRET=s", "SK1:s", global, ""},
		"key beside account": {"ACCOUNT_SID=AC1 API_KEY=SK1 API_SECRET=s", "SK1:s", global, ""},
		"nothing":            {"", "", "", "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"},
		"half an account":    {"ACCOUNT_SID=AC1", "", "", "TWILIO_AUTH_TOKEN is not"},
		"token alone":        {"AUTH_TOKEN=t", "", "", "TWILIO_ACCOUNT_SID is not"},
		"half a key":         {"API_KEY=SK1 ACCOUNT_SID=AC1 AUTH_TOKEN=t", "", "", "TWILIO_API_SECRET is not"},
		"secret alone":       {"API_SECRET=s ACCOUNT_SID=AC1 AUTH_TOKEN=t", "", "", "TWILIO_API_KEY is not"},
		"edge":               {"API_KEY=SK1 API_SECRET=s EDGE=dublin", "SK1:s", "https://trusthub.dublin.us1.twilio.com", ""},
		"edge and region":    {"API_KEY=SK1 API_SECRET=s EDGE=dublin REGION=ie1", "SK1:s", "https://trusthub.dublin.ie1.twilio.com", ""},
		"region alone":       {"API_KEY=SK1 API_SECRET=s REGION=ie1", "", "", "TWILIO_EDGE is not"},
		"a profile's SID":    {"ACCOUNT_SID=BU0123456789abcdef0123456789abcdef AUTH_TOKEN=t", "", "", "TWILIO_ACCOUNT_SID begins with neither AC nor SK"},
		"swapped":            {"API_KEY=hunter2 API_SECRET=SK0123456789abcdef0123456789abcdef", "", "", "TWILIO_API_KEY and TWILIO_API_SECRET are swapped"},
		"quotes":             {`ACCOUNT_SID="AC1" AUTH_TOKEN=t`, "", "", "TWILIO_ACCOUNT_SID has quotes around its value"},
		"a quote":            {"ACCOUNT_SID=AC1 AUTH_TOKEN='t", "", "", "TWILIO_AUTH_TOKEN has quotes"},
		"a blank":            {"ACCOUNT_SID=AC1 AUTH_TOKEN=t\u00a0", "", "", "TWILIO_AUTH_TOKEN has blanks around its value"},
		"not expanded":       {"API_KEY=SK1 API_SECRET=${SECRET}", "", "", "TWILIO_API_SECRET has ${ in its value"},
		"edge no label":      {"API_KEY=SK1 API_SECRET=s EDGE=evil.example/", "", "", "host labels"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"ACCOUNT_SID", "AUTH_TOKEN", "API_KEY", "API_SECRET", "EDGE", "REGION"} {
				t.Setenv("TWILIO_"+key, "")
			}
			for _, assignment := range strings.FieldsFunc(test.env, func(r rune) bool { return r == ' ' }) {
				key, value, _ := strings.Cut(assignment, "=")
				t.Setenv("TWILIO_"+key, value)
			}
			var user, host string
			client, err := trusthub.NewClientFromEnv(trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}), trusthub.WithHTTPClient(&http.Client{
				Transport: apitest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
					username, password, _ := r.BasicAuth()
					user, host = username+":"+password, r.URL.Scheme+"://"+r.URL.Host
					return nil, http.ErrHandlerTimeout
				}),
			}))
			if test.complain != "" {
				if client != nil || err == nil || !strings.Contains(err.Error(), test.complain) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v, %v, want %q", client, err, test.complain)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, _ = client.FetchCustomerProfile(t.Context(), sid)
			if user != test.user || host != test.host {
				t.Errorf("sent %s to %s", user, host)
			}
		})
	}
}

// For other hosts than Twilio's, every user name is valid.
func TestNewClientFromEnvForAnotherHost(t *testing.T) {
	t.Setenv("TWILIO_API_KEY", "me")
	t.Setenv("TWILIO_API_SECRET", "s")
	if _, err := trusthub.NewClientFromEnv(trusthub.WithBaseURL("https://fake.example")); err != nil {
		t.Error(err)
	}
}

// An option with an address overrides the environment, also an invalid value there.
func TestOptionsOverrideTheEnvironmentsAddress(t *testing.T) {
	t.Setenv("TWILIO_API_KEY", "SK1")
	t.Setenv("TWILIO_API_SECRET", "s")
	for _, env := range [][2]string{{"dublin", ""}, {"dublin", "ie1"}, {"", "ie1"}, {"evil.example/", "ie1"}} {
		t.Setenv("TWILIO_EDGE", env[0])
		t.Setenv("TWILIO_REGION", env[1])
		client, err := trusthub.NewClientFromEnv(trusthub.WithBaseURL("https://h/base"))
		if err != nil || fmt.Sprint(client) != "trusthub.Client(https://h/base/)" {
			t.Errorf("%q, base URL: got %v, %v", env, client, err)
		}
		client, err = trusthub.NewClientFromEnv(trusthub.WithEdge("sydney", "au1"))
		if err != nil || fmt.Sprint(client) != "trusthub.Client(https://trusthub.sydney.au1.twilio.com/)" {
			t.Errorf("%q, edge: got %v, %v", env, client, err)
		}
	}
}

func TestRetryPolicies(t *testing.T) {
	auth := trusthub.BasicAuth("AC1", "p")
	for policy, valid := range map[trusthub.RetryPolicy]bool{
		{}: true, {MaxAttempts: 1}: true, {MaxWait: time.Millisecond}: true, {MinWait: time.Minute}: true, {MinWait: 1, MaxWait: 1}: true,
		{MaxAttempts: -1}: false, {MinWait: -1}: false, {MaxWait: -1}: false, {MinWait: 2, MaxWait: 1}: false,
	} {
		if client, err := trusthub.NewClient(auth, trusthub.WithRetry(policy)); (err == nil) != valid || (client != nil) != valid {
			t.Errorf("%+v: got %v", policy, err)
		}
	}
}
