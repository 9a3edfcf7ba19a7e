package trusthub_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func TestBaseURLs(t *testing.T) {
	auth := trusthub.BasicAuth("AC1", "p")
	for _, url := range []string{
		"https://trusthub.twilio.com", "https://trusthub.twilio.com/", "https://h:8443/base/path", "HTTPS://H",
		"http://localhost:1", "http://127.8.8.8", "http://[::1]:80/x",
	} {
		if _, err := trusthub.NewClient(auth, trusthub.WithBaseURL(url)); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{
		"", " ", "trusthub.twilio.com", "/v1", "http://trusthub.twilio.com", "ftp://h", "https://", "https:h", "https://:443",
		"https://user:secret@h", "https://secret@h", "https://h?", "https://h?secret=1", "https://h#", "https://h#secret", "https://h:port",
		"https://u:secret:x@h:p", "https://h\n", "http://localhost.example.com", "http://10.0.0.1", "https://[::1",
	} {
		client, err := trusthub.NewClient(auth, trusthub.WithBaseURL(url))
		if client != nil || err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "trusthub: ") {
			t.Errorf("%q: got %v, %v", url, client, err)
		}
	}
}

// Plain HTTP takes an option of its own beyond loopback, in whatever order they are given; its name is in the error.
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
	for _, label := range []string{"0", "9", "a", "z", "A", "Z", "a-z", "0--9", strings.Repeat("a", 63)} {
		client, err := trusthub.NewClient(auth, trusthub.WithEdge(label, label))
		if err != nil || fmt.Sprint(client) != "trusthub.Client(https://trusthub."+label+"."+label+".twilio.com/)" {
			t.Errorf("%q: got %v, %v", label, client, err)
		}
	}
	for _, label := range []string{
		"", ".", "a.b", "evil.example/", "a@b", "a:1", "-a", "a-", "-", "é", "{region}", strings.Repeat("a", 64),
		"/", ":", "@", "[", "`", "{", // beside digits and letters in ASCII
	} {
		for _, opt := range []trusthub.Option{trusthub.WithEdge(label, "us1"), trusthub.WithEdge("ashburn", label)} {
			if client, err := trusthub.NewClient(auth, opt); client != nil || err == nil {
				t.Errorf("%q: got %v", label, client)
			}
		}
	}
}

// Two addresses contradict, in whatever order they are given.
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

// A port that is left out after its colon is none, as everywhere else.
func TestBaseURLWithAnEmptyPort(t *testing.T) {
	client := apitest.At(t, "https://h:", trusthub.WithHTTPClient(&http.Client{Transport: apitest.OK()}))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
		t.Error(err)
	}
}

// Redirects are answers to report: following one could take credentials to another host.
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

// A transport that breaks the rules of http.RoundTripper causes an error, not a panic.
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

func TestInvalidOptions(t *testing.T) {
	for name, opt := range map[string]trusthub.Option{
		"no http.Client":      trusthub.WithHTTPClient(nil),
		"negative timeout":    trusthub.WithHTTPClient(&http.Client{Timeout: -1}),
		"middleware is nil":   trusthub.WithMiddleware(nil),
		"middleware gave nil": trusthub.WithMiddleware(func(http.RoundTripper) http.RoundTripper { return nil }),
		"no product":          trusthub.WithUserAgent(""),
		"line break":          trusthub.WithUserAgent("a\r\nX: y"),
		"no time":             trusthub.WithTimeout(0),
		"no concurrency":      trusthub.WithMaxConcurrency(0),
		"no bytes":            trusthub.WithMaxResponseBytes(0),
		"no logger":           trusthub.WithLogger(nil),
		"no option":           nil,
	} {
		client, err := trusthub.NewClient(trusthub.BasicAuth("AC1", "p"), opt)
		if client != nil || err == nil || !strings.HasPrefix(err.Error(), "trusthub: ") {
			t.Errorf("%s: got %v, %v", name, client, err)
		}
	}
}

// No option at all is no reason to fail a call.
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
