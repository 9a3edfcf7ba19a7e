package contract_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/api"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const (
	sid      = trusthubtest.ExampleSID
	path     = "/v1/CustomerProfiles/" + sid
	jsonType = "application/json"
	good     = `{"sid":"` + sid + `","status":"draft","errors":[{"code":1,"new":[]}],"links":{"a":"https://a"},"valid_until":null}`
)

// Each violation of the contract is reported with a finding. The finding contains no text of the
// response.
func TestViolations(t *testing.T) {
	const secret = "s3cret"
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	statuses, err := json.Marshal(doc.Components.Schemas["CustomerProfileStatus"].Value.Enum)
	if err != nil {
		t.Fatal(err)
	}
	notInEnum := "value is not one of the allowed values " + string(statuses)
	for name, test := range map[string]struct {
		status   int
		header   http.Header
		body     string
		findings []contract.Finding
	}{
		"good":                    {200, headers(), good, nil},
		"one key without a value": {200, headers(), `{"email":null}`, nil},
		"unknown keys":            {200, headers(), `{"new":1,"email":"e"}`, nil},
		"content type in capital": {200, headers("Content-Type", "Application/JSON; charset=UTF-8"), good, nil},
		"good error":              {404, headers(), `{"code":20404,"message":"m"}`, nil},
		"range of statuses":       {418, headers(), `{"code":1}`, nil},
		"unknown error":           {404, headers(), `{"new":1}`, nil},

		"pattern": {200, headers(), `{"sid":"XX` + sid[2:] + `"}`, []contract.Finding{{"/sid", `string doesn't match the regular expression "^BU[0-9a-fA-F]{32}$"`}}},
		"length": {200, headers(), `{"account_sid":"AC1"}`, []contract.Finding{
			{"/account_sid", "minimum string length is 34"}, {"/account_sid", `string doesn't match the regular expression "^AC[0-9a-fA-F]{32}$"`},
		}},
		"enumeration": {200, headers(), `{"status":"` + secret + `"}`, []contract.Finding{
			{"/status", notInEnum},
		}},
		"type":          {200, headers(), `{"errors":[{"code":"` + secret + `"}]}`, []contract.Finding{{"/errors/0/code", "value must be an integer"}}},
		"fraction":      {200, headers(), `{"errors":[{"code":1.5}]}`, []contract.Finding{{"/errors/0/code", "value must be an integer"}}},
		"null":          {200, headers(), `{"status":null}`, []contract.Finding{{"/status", notInEnum}}},
		"null link":     {200, headers(), `{"links":{"a/b~":null}}`, []contract.Finding{{"/links/a~1b~0", "Value is not nullable"}}},
		"URI":           {200, headers(), `{"url":"` + secret + `"}`, []contract.Finding{{"/url", `string doesn't match the format "uri" (not an absolute URI of RFC 3986)`}}},
		"URI character": {200, headers(), `{"url":"https://a/ ` + secret + `"}`, []contract.Finding{{"/url", `string doesn't match the format "uri" (not an absolute URI of RFC 3986)`}}},
		"date": {200, headers(), `{"date_created":"2026-02-30T00:00:00Z"}`, []contract.Finding{
			{"/date_created", `string doesn't match the format "date-time" (not a date and time of RFC 3339 in capitals, without a leap second)`},
		}},
		"two at a time":         {200, headers(), `{"status":null,"email":1}`, []contract.Finding{{"/email", "value must be a string"}, {"/status", notInEnum}}},
		"array":                 {200, headers(), `[]`, []contract.Finding{{"", "value must be an object"}}},
		"empty object":          {200, headers(), `{}`, []contract.Finding{{"", "none of the documented properties"}}},
		"foreign":               {200, headers(), `{"code":1,"SID":"` + secret + `"}`, []contract.Finding{{"", "none of the documented properties"}}},
		"null body":             {200, headers(), `null`, []contract.Finding{{"", "Value is not nullable"}}},
		"empty":                 {200, headers(), ``, []contract.Finding{{"", "malformed JSON"}}},
		"trailing":              {200, headers(), good + secret, []contract.Finding{{"", "malformed JSON"}}},
		"duplicate key":         {200, headers(), `{"email":"a","email":"` + secret + `"}`, []contract.Finding{{"/email", "duplicate name"}}},
		"invalid UTF-8":         {200, headers(), "{\"email\":\"" + secret + "\xff\"}", []contract.Finding{{"/email", "malformed JSON"}}},
		"half a surrogate pair": {200, headers(), `{"email":"` + secret + `\ud83d"}`, []contract.Finding{{"/email", "malformed JSON"}}},
		"empty strings":         {200, headers(), `{"sid":"","policy_sid":"","url":"","email":""}`, nil},
		"empty status":          {200, headers(), `{"status":""}`, []contract.Finding{{"/status", notInEnum}}},
		"empty link":            {200, headers(), `{"links":{"a":""}}`, []contract.Finding{{"/links/a", `string doesn't match the format "uri" (not an absolute URI of RFC 3986)`}}},
		"truncated":             {200, headers(), `{"email":"` + secret, []contract.Finding{{"/email", "malformed JSON"}}},
		"error type":            {404, headers(), `{"code":"` + secret + `"}`, []contract.Finding{{"/code", "value must be an integer"}}},
		"header":                {200, headers("Access-Control-Allow-Credentials", secret), good, []contract.Finding{{"", "header Access-Control-Allow-Credentials: value must be of type boolean"}}},
		"header and body": {200, headers("Access-Control-Allow-Credentials", secret), `{"email":1}`, []contract.Finding{
			{"", "header Access-Control-Allow-Credentials: value must be of type boolean"}, {"/email", "value must be a string"},
		}},
		"content type":       {200, headers("Content-Type", "text/html"), "<html>", []contract.Finding{{"", "undocumented content type"}}},
		"no content type":    {200, http.Header{}, good, []contract.Finding{{"", "undocumented content type"}}},
		"undocumented 2xx":   {201, headers(), good, []contract.Finding{{"", "undocumented status"}}},
		"moved":              {301, headers(), "", []contract.Finding{{"", "undocumented status"}}},
		"not modified":       {304, headers(), "", []contract.Finding{{"", "undocumented status"}}},
		"temporary redirect": {307, headers(), "", []contract.Finding{{"", "undocumented status"}}},
		"permanent redirect": {308, headers(), "", []contract.Finding{{"", "undocumented status"}}},

		"gateway":                  {502, headers("Content-Type", "text/html"), "<html>", nil},
		"gateway without type":     {503, http.Header{}, "", nil},
		"gateway with a JSON type": {503, headers(), "upstream", nil},
		"429 of a gateway":         {429, headers("Content-Type", "text/html"), "<html>", nil},
		"429 of a gateway, JSON":   {429, headers(), "slow down", nil},
		"429 of the API":           {429, headers(), `{"code":"20429"}`, []contract.Finding{{"/code", "value must be an integer"}}},
		"403 of the API, HTML":     {403, headers("Content-Type", "text/html"), "<html>", []contract.Finding{{"", "undocumented content type"}}},
		"403 of a gateway":         {403, http.Header{"Content-Type": {"text/html"}}, "<html>", nil},
		"404 of a gateway":         {404, http.Header{"Content-Type": {jsonType}}, "not here", nil},
		"302 of a gateway":         {302, http.Header{}, "", nil},
		"gateway with an error":    {404, http.Header{"Content-Type": {jsonType}}, `{"code":"NotFound"}`, []contract.Finding{{"/code", "value must be an integer"}}},
		"captive portal":           {200, http.Header{"Content-Type": {"text/html"}}, "<html>", []contract.Finding{{"", "undocumented content type"}}},
		"problem details":          {404, headers("Content-Type", "application/problem+json"), `{"type":"https://t","title":"t","status":404,"detail":"d","code":20404}`, nil},
		"odd problem details":      {404, headers("Content-Type", "application/problem+json"), `{"detail":1}`, []contract.Finding{{"/detail", "value must be a string"}}},
		"status 0":                 {0, headers(), good, []contract.Finding{{"", "undocumented status"}}},
		"500 of the API":           {500, headers(), `{"code":"20500"}`, []contract.Finding{{"/code", "value must be an integer"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var reported []*contract.Violation
			observe := contract.Observe(func(v *contract.Violation) { reported = append(reported, v) })
			answer, err := observe(apitest.Canned(test.status, test.header, test.body)).RoundTrip(request("GET", path))
			checkAnswer(t, answer, err, test.status, test.body)

			answer, err = contract.NewTransport(apitest.Canned(test.status, test.header, test.body)).RoundTrip(request("GET", path))
			if test.findings == nil {
				checkAnswer(t, answer, err, test.status, test.body)
				if len(reported) > 0 {
					t.Errorf("reported %v", reported[0])
				}
				return
			}
			var violation *contract.Violation
			if answer != nil || !errors.As(err, &violation) || len(reported) != 1 || !reflect.DeepEqual(reported[0], violation) {
				t.Fatalf("got %v, %v, reported %v", answer, err, reported)
			}
			if violation.Direction != "response" || violation.StatusCode != test.status || violation.RequestID != test.header.Get("Twilio-Request-Id") ||
				violation.Retryable() || !reflect.DeepEqual(violation.Findings, test.findings) {
				t.Errorf("got %+v", violation)
			}
			if text := err.Error(); strings.Contains(text, secret) || !strings.Contains(text, test.findings[0].Reason) {
				t.Errorf("text %s", text)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	noCredentials := request("GET", path)
	noCredentials.Header.Del("Authorization")
	bearer := request("GET", path)
	bearer.Header.Set("Authorization", "Bearer token")
	for name, test := range map[string]struct {
		request *http.Request
		reasons []string
	}{
		"good":                {request("GET", path), nil},
		"bearer token":        {bearer, nil},
		"any base path":       {request("GET", "/a/b"+path), nil},
		"SID in two cases":    {request("GET", "/v1/CustomerProfiles/BUABCDEFabcdef0123456789ABCDEFabcd"), nil},
		"no credentials":      {noCredentials, []string{"no Authorization header"}},
		"another path":        {request("GET", "/v1/Policies"), []string{"undocumented path"}},
		"subresource":         {request("GET", path+"/Evaluations"), []string{"undocumented path"}},
		"another method":      {request("DELETE", path), []string{"undocumented method for /v1/CustomerProfiles/{Sid}"}},
		"malformed SID":       {request("GET", "/v1/CustomerProfiles/BUx"+sid[3:]), []string{`path parameter Sid: string doesn't match the regular expression "^BU[0-9a-fA-F]{32}$"`}},
		"short SID":           {request("GET", "/v1/CustomerProfiles/BU1"), []string{"path parameter Sid: minimum string length is 34", `path parameter Sid: string doesn't match the regular expression "^BU[0-9a-fA-F]{32}$"`}},
		"escaped parent path": {request("GET", "/v1/CustomerProfiles/..%2f"+sid[4:]), []string{"path parameter Sid: minimum string length is 34", `path parameter Sid: string doesn't match the regular expression "^BU[0-9a-fA-F]{32}$"`}},
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			next := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				sent++
				return apitest.Canned(200, headers(), good)(req)
			})
			_, err := contract.NewTransport(next).RoundTrip(test.request)
			var violation *contract.Violation
			if test.reasons == nil {
				if err != nil || sent != 1 {
					t.Fatalf("got %v, sent %d", err, sent)
				}
				return
			}
			if !errors.As(err, &violation) || violation.Direction != "request" || violation.StatusCode != 0 || sent != 0 {
				t.Fatalf("got %v, sent %d", err, sent)
			}
			var reasons []string
			for _, finding := range violation.Findings {
				reasons = append(reasons, finding.Reason)
			}
			if !reflect.DeepEqual(reasons, test.reasons) {
				t.Errorf("got %q", reasons)
			}
			var observed *contract.Violation
			if _, err := contract.Observe(func(v *contract.Violation) { observed = v })(next).RoundTrip(test.request); err != nil || sent != 1 {
				t.Errorf("observed: %v, sent %d", err, sent)
			}
			if !reflect.DeepEqual(observed, violation) {
				t.Errorf("observed %v", observed)
			}
		})
	}
}

// A truncated body is passed on with its error, so that the SDK retries.
func TestBrokenBodiesAreRetried(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Content-Type", jsonType)
		if requests == 1 {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"status":`)
			return
		}
		_, _ = io.WriteString(w, good)
	}))
	defer server.Close()
	client, err := trusthub.NewClient(trusthub.BasicAuth("AC1", "p"), trusthub.WithBaseURL(server.URL), trusthub.WithMiddleware(contract.NewTransport),
		trusthub.WithRetry(trusthub.RetryPolicy{MinWait: 1, MaxWait: 1}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || requests != 2 {
		t.Errorf("got %v after %d requests", err, requests)
	}
}

func TestBrokenBodyIsByteForByte(t *testing.T) {
	broken := errors.New("reset")
	next := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		answer, err := apitest.Canned(200, headers(), "")(req)
		answer.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"sid`), failing{broken}))
		return answer, err
	})
	answer, err := contract.NewTransport(next).RoundTrip(request("GET", path))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); string(body) != `{"sid` || !errors.Is(err, broken) {
		t.Errorf("got %q, %v", body, err)
	}
}

// Temporary errors of a gateway or of the API are passed on, so that the SDK retries.
func TestTemporaryErrorsAreRetried(t *testing.T) {
	for _, status := range []int{429, 500, 502, 503, 504} {
		for contentType, body := range map[string]string{
			"text/html": "<html>",
			jsonType:    fmt.Sprintf(`{"code":20500,"message":"x","more_info":"https://www.twilio.com/docs/errors/20500","status":%d}`, status),
		} {
			requests := 0
			client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				if requests++; requests == 1 {
					return apitest.Canned(status, headers("Content-Type", contentType), body)(req)
				}
				return apitest.Canned(200, headers(), good)(req)
			}), trusthub.WithMiddleware(contract.NewTransport), trusthub.WithRetry(trusthub.RetryPolicy{MinWait: 1, MaxWait: 1}), trusthub.WithMaxConcurrency(1))
			if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || requests != 2 {
				t.Errorf("%d, %s: got %v after %d requests", status, contentType, err, requests)
			}
		}
	}
}

// A transport that breaks the rules of http.RoundTripper causes no panic.
func TestIncompleteResponses(t *testing.T) {
	observed := 0
	observe := contract.Observe(func(*contract.Violation) { observed++ })
	nothing := apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, nil })
	for _, transport := range []http.RoundTripper{contract.NewTransport(nothing), observe(nothing)} {
		if answer, err := transport.RoundTrip(request("GET", path)); answer != nil || err != nil {
			t.Errorf("no response became %v, %v", answer, err)
		}
	}

	bare := apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })
	answer, err := observe(bare).RoundTrip(request("GET", path))
	checkAnswer(t, answer, err, 200, "")
	var violation *contract.Violation
	if _, err := contract.NewTransport(bare).RoundTrip(request("GET", path)); !errors.As(err, &violation) || observed != 1 {
		t.Errorf("got %v, observed %d", err, observed)
	}
	unavailable := apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 503}, nil })
	answer, err = contract.NewTransport(unavailable).RoundTrip(request("GET", path))
	checkAnswer(t, answer, err, 503, "")
}

// A body whose Read ignores the context, as after 101 Switching Protocols, ends with the context.
// It is closed once.
func TestBodyThatIgnoresTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 101, Body: make(apitest.StuckBody)}, nil
		})
		for _, transport := range []http.RoundTripper{contract.NewTransport(silent), contract.Observe(nil)(silent)} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			answer, err := transport.RoundTrip(request("GET", path).WithContext(ctx))
			if err != nil || time.Since(start) != time.Second {
				t.Fatalf("got %v after %v", err, time.Since(start))
			}
			if _, err := io.ReadAll(answer.Body); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the body ends with %v", err)
			}
			_ = answer.Body.Close() // a second call would panic
			cancel()
		}
	})
}

// A violation is returned and not retried.
func TestViolationsAreNotRetried(t *testing.T) {
	requests := 0
	next := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		requests++
		return apitest.Canned(503, headers(), `{"code":"x"}`)(req)
	})
	client, err := trusthub.NewClient(trusthub.BasicAuth("AC1", "p"), trusthub.WithHTTPClient(&http.Client{Transport: next}),
		trusthub.WithMiddleware(contract.NewTransport))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.FetchCustomerProfile(t.Context(), sid)
	var violation *contract.Violation
	if !errors.As(err, &violation) || requests != 1 {
		t.Errorf("got %v after %d requests", err, requests)
	}
}

// A body over 1 MiB is passed on without validation and without buffering. Observe reports it.
func TestLargeBodies(t *testing.T) {
	const size = 1<<20 + 1
	for name, extra := range map[string]int{"at the limit": -1, "over it": 0, "far over it": 1 << 22} {
		body := `{"status":1}` + strings.Repeat(" ", size+extra-len(`{"status":1}`))
		answer, err := contract.NewTransport(apitest.Canned(200, headers(), body)).RoundTrip(request("GET", path))
		var reported *contract.Violation
		observed, observeErr := contract.Observe(func(v *contract.Violation) { reported = v })(apitest.Canned(200, headers(), body)).RoundTrip(request("GET", path))
		checkAnswer(t, observed, observeErr, 200, body)
		if extra < 0 {
			if err == nil || reported.Findings[0].Pointer != "/status" {
				t.Errorf("%s: got %v, reported %v", name, err, reported)
			}
			continue
		}
		checkAnswer(t, answer, err, 200, body)
		if reported == nil || reported.Findings[0].Reason != "the body is over 1 MiB and was not validated" {
			t.Errorf("%s: reported %v", name, reported)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	read := 0
	next := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		answer, err := apitest.Canned(200, headers(), "")(req)
		answer.Body = io.NopCloser(readerFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil }))
		return answer, err
	})
	if _, err := contract.NewTransport(next).RoundTrip(request("GET", path)); err != nil || read > 1<<20+1 {
		t.Errorf("%d bytes read ahead, %v", read, err)
	}
}

func TestURIs(t *testing.T) {
	for uri, good := range map[string]bool{
		"https://a":             true,
		"https://a:1/b%20c?d#e": true,
		"mailto:a@b":            true, // opaque
		"file:///a":             true, // no host
		"a:/b":                  true,
		"https://a:port":        false, // permitted characters, but not a URI
		"https://[::1":          false,
		"//a/b":                 false, // relative
		"/a/b":                  false,
		"a":                     false,
		"https:":                false, // nothing after the scheme
		"https://":              false,
		"https:?a":              false,
		"https://a/é":           false, // a URI for Go, but not for RFC 3986
		"https://a/?%zz":        false,
		"https://a/ ":           false,
	} {
		_, err := contract.NewTransport(apitest.Canned(200, headers(), `{"url":"`+uri+`"}`)).RoundTrip(request("GET", path))
		if (err == nil) != good {
			t.Errorf("%q: got %v", uri, err)
		}
	}
}

// The formats of the contract and the global formats of kin-openapi do not affect each other.
func TestFormatsAreIsolated(t *testing.T) {
	previous, had := openapi3.SchemaStringFormats["uri"]
	defer func() {
		delete(openapi3.SchemaStringFormats, "uri")
		if had {
			openapi3.SchemaStringFormats["uri"] = previous
		}
	}()
	openapi3.DefineStringFormatValidator("uri", openapi3.NewCallbackValidator(func(value string) error {
		if !strings.HasPrefix(value, "urn:") {
			return errors.New("not a URN")
		}
		return nil
	}))
	if _, err := contract.NewTransport(apitest.Canned(200, headers(), `{"url":"https://a"}`)).RoundTrip(request("GET", path)); err != nil {
		t.Errorf("the global format is used: %v", err)
	}
	theirs := &openapi3.Schema{Type: &openapi3.Types{"string"}, Format: "uri"}
	if theirs.VisitJSON("https://a") == nil || theirs.VisitJSON("urn:a") != nil {
		t.Error("the global format was replaced")
	}
}

func TestConcurrentUse(t *testing.T) {
	transport := contract.NewTransport(apitest.Canned(200, headers(), good))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 50 {
				if _, err := transport.RoundTrip(request("GET", path)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestErrorsOfTheTransportArePassedOn(t *testing.T) {
	failure := errors.New("down")
	_, err := contract.NewTransport(apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, failure })).RoundTrip(request("GET", path))
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

func TestNilMeansTheDefaultTransport(t *testing.T) {
	server := trusthubtest.NewServer(t)
	for _, transport := range []http.RoundTripper{contract.NewTransport(nil), contract.Observe(func(*contract.Violation) {})(nil)} {
		client := server.Client(trusthub.WithHTTPClient(&http.Client{Transport: transport}))
		if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
			t.Error(err)
		}
	}
}

// FromTwilio of a violation uses the same rules as the client.
func TestViolationsFromTwilio(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		body   string
		want   bool
	}{
		"request id": {headers(), `{"message":1}`, true},
		"body":       {http.Header{"Content-Type": {jsonType}}, `{"message":1,"code":20404}`, true},
		"neither":    {http.Header{"Content-Type": {jsonType}}, `{"message":1,"code":5}`, false},
	} {
		_, err := contract.NewTransport(apitest.Canned(404, test.header, test.body)).RoundTrip(request("GET", path))
		if violation, ok := errors.AsType[*contract.Violation](err); !ok || violation.FromTwilio() != test.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestViolationText(t *testing.T) {
	violation := &contract.Violation{Direction: "response", StatusCode: 200, Findings: []contract.Finding{{Reason: "undocumented status"}, {"/a", "r"}}}
	if text := violation.Error(); text != `contract: the response with status 200 breaks the contract; undocumented status; "/a": r` {
		t.Errorf("got %s", text)
	}
	violation = &contract.Violation{Direction: "request"}
	if text := violation.Error(); text != "contract: the request breaks the contract" {
		t.Errorf("got %s", text)
	}
}

func TestViolationTextIsShort(t *testing.T) {
	violation := &contract.Violation{Direction: "response", StatusCode: 200}
	for i := range 100 {
		violation.Findings = append(violation.Findings, contract.Finding{Pointer: fmt.Sprintf("/\x1b%d", i) + strings.Repeat("x", 1000), Reason: "r"})
	}
	if text := violation.Error(); len(text) > 1000 || strings.Contains(text, "\x1b") || !strings.HasSuffix(text, "; 95 more") {
		t.Errorf("got %s", text)
	}
}

// A violation has at most 100 findings. Its text has the total number.
func TestFindingsAreBounded(t *testing.T) {
	body := `{"errors":[` + strings.Repeat("1,", 999) + `1]}`
	_, err := contract.NewTransport(apitest.Canned(200, headers(), body)).RoundTrip(request(http.MethodGet, path))
	var violation *contract.Violation
	if !errors.As(err, &violation) || len(violation.Findings) != 100 || !strings.HasSuffix(err.Error(), "; 995 more") {
		t.Errorf("got %v", err)
	}
}

// BenchmarkTransport measures the validation of a request and its response.
func BenchmarkTransport(b *testing.B) {
	transport := contract.NewTransport(apitest.Canned(200, headers(), good))
	req := request("GET", path)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := transport.RoundTrip(req); err != nil {
			b.Fatal(err)
		}
	}
}

func checkAnswer(t *testing.T, answer *http.Response, err error, status int, body string) {
	t.Helper()
	if err != nil || answer.StatusCode != status {
		t.Fatalf("got %v, %v", answer, err)
	}
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); err != nil || string(got) != body {
		t.Errorf("body of %d bytes, want %d; %v", len(got), len(body), err)
	}
}

func request(method, path string) *http.Request {
	req := httptest.NewRequest(method, "https://any.example"+path, nil)
	req.SetBasicAuth("AC1", "p")
	return req
}

// headers returns the headers of a valid response, with some replaced.
func headers(pairs ...string) http.Header {
	header := http.Header{"Content-Type": {jsonType}, "Twilio-Request-Id": {"RQ1"}, "Access-Control-Allow-Credentials": {"true"}}
	for i := 0; i < len(pairs); i += 2 {
		header.Set(pairs[i], pairs[i+1])
	}
	return header
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// An error item must have the documented shape, although the client accepts any.
func TestErrorItems(t *testing.T) {
	for item, good := range map[string]bool{
		`{"code":18601}`: true, `{"code":18601.0}`: true, `{"code":1.8601e4}`: true, `{"code":-5}`: true, `{}`: true,
		`{"message":"m","Code":1}`: true, `{"code":1,"more":{"a":[true,null]}}`: true, `{"code":1,"number":9007199254740993}`: true,
		`{"code":1,"number":-1.5}`: true, `{"code":1e30}`: true, `{"code":9007199254740993.0}`: true,
		`{"code":"18601"}`: false, `{"code":"99999999999999999999"}`: false, `{"code":"0x10"}`: false, `{"code":"1.0"}`: false,
		`{"code":""}`: false, `{"code":1.5,"a":1}`: false, `{"code":null}`: false, `{"code":{"a":1}}`: false,
		`18601`: false, `18601.0`: false, `"18601"`: false, `"name taken"`: false, `null`: false, `true`: false, `[]`: false,
		`[18601,{"a":1}]`: false, `0.5`: false,
	} {
		_, err := contract.NewTransport(apitest.Canned(200, headers(), `{"errors":[{"code":1},`+item+`]}`)).RoundTrip(request("GET", path))
		if _, broken := errors.AsType[*contract.Violation](err); broken == good || !broken && err != nil {
			t.Errorf("%s: got %v", item, err)
		}
	}
}
