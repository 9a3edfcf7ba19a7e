package trusthubtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/api"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/properties"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const otherSID = "BU0123456789abcdefABCDEF0123456789"

var usual trusthubtest.Fault // no fault

// Responses to valid requests keep the contract. The bodies of the others fit the error schema.
func TestAnswers(t *testing.T) {
	server := trusthubtest.NewServer(t)
	server.Put(trusthub.CustomerProfile{SID: otherSID})
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	const profiles = "/v1/CustomerProfiles/"
	const example = profiles + trusthubtest.ExampleSID
	for name, test := range map[string]struct {
		method, path, user string
		fault              trusthubtest.Fault
		status, code       int
		valid              bool // whether the request keeps the contract
	}{
		"example":           {"GET", example, trusthubtest.Username, usual, 200, 0, true},
		"added":             {"GET", profiles + otherSID, trusthubtest.Username, usual, 200, 0, true},
		"in other case":     {"GET", profiles + "BU" + strings.ToLower(otherSID[2:]), trusthubtest.Username, usual, 200, 0, true},
		"unknown SID":       {"GET", profiles + "BU00000000000000000000000000000000", trusthubtest.Username, usual, 404, 20404, true},
		"wrong credentials": {"GET", example, "AC1", usual, 401, 20003, true},
		"no credentials":    {"GET", example, "", usual, 401, 20003, false},
		"malformed SID":     {"GET", profiles + "BU1", trusthubtest.Username, usual, 400, 400, false},
		"unknown path":      {"GET", "/v1/Policies", trusthubtest.Username, usual, 404, 20404, false},
		"subresource":       {"GET", example + "/Evaluations", trusthubtest.Username, usual, 404, 20404, false},
		"other method":      {"POST", example, trusthubtest.Username, usual, 405, 20004, false},
		"fault 400":         {"GET", example, trusthubtest.Username, trusthubtest.Fault{Status: 400}, 400, 20400, true},
		"fault 401":         {"GET", example, trusthubtest.Username, trusthubtest.Fault{Status: 401}, 401, 20003, true},
		"fault 403":         {"GET", example, trusthubtest.Username, trusthubtest.Fault{Status: 403}, 403, 20403, true},
		"fault 404":         {"GET", example, trusthubtest.Username, trusthubtest.Fault{Status: 404}, 404, 20404, true},
		"fault 429":         {"GET", example, trusthubtest.Username, trusthubtest.Fault{Status: 429}, 429, 20429, true},
		"fault 500":         {"GET", example, trusthubtest.Username, trusthubtest.Fault{Status: 500}, 500, 20500, true},
		"fault 503":         {"GET", example, trusthubtest.Username, trusthubtest.Fault{Status: 503}, 503, 20503, true},
	} {
		t.Run(name, func(t *testing.T) {
			server.Fail(test.fault)
			var violations []*contract.Violation
			observe := contract.Observe(func(v *contract.Violation) { violations = append(violations, v) })
			status, header, body := send(t, observe(nil), test.method, server.URL+test.path, test.user)
			if status != test.status {
				t.Fatalf("status %d, want %d", status, test.status)
			}
			if (len(violations) == 0) != test.valid || len(violations) > 0 && violations[0].Direction != "request" {
				t.Errorf("violations %v", violations)
			}
			if header.Get("Twilio-Request-Id") == "" || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
				t.Errorf("headers %v", header)
			}
			if (header.Get("Access-Control-Allow-Credentials") == "true") != (test.status == 200) {
				t.Errorf("headers %v", header)
			}
			if test.status == 200 {
				return
			}
			if err := doc.Components.Schemas["Error"].Value.VisitJSON(body); err != nil {
				t.Error(err)
			}
			if body["code"] != float64(test.code) || body["status"] != float64(test.status) || body["message"] == "" {
				t.Errorf("body %v", body)
			}
		})
	}
}

// A profile has every documented key. Empty values are null, except that the status is draft.
func TestEmptyProfile(t *testing.T) {
	server := trusthubtest.NewServer(t)
	server.Put(trusthub.CustomerProfile{SID: otherSID})
	_, _, body := send(t, http.DefaultTransport, "GET", server.URL+"/v1/CustomerProfiles/"+otherSID, trusthubtest.Username)
	for name := range properties.Of(trusthub.CustomerProfile{}) {
		want := map[string]any{"sid": otherSID, "status": "draft"}[name]
		if got, ok := body[name]; !ok || got != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, ok, want)
		}
		delete(body, name)
	}
	if len(body) > 0 {
		t.Errorf("undocumented: %v", body)
	}
}

func TestPutCopiesAndReplaces(t *testing.T) {
	server := trusthubtest.NewServer(t)
	until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	profile := trusthub.CustomerProfile{SID: otherSID, Links: map[string]string{"a": "https://a"}, ValidUntil: &until}
	server.Put(profile)
	profile.Links["a"], until = "changed", time.Time{}
	got, err := server.Client().FetchCustomerProfile(t.Context(), otherSID)
	if err != nil || got.Links["a"] != "https://a" || got.ValidUntil.Year() != 2030 {
		t.Errorf("got %+v, %v", got, err)
	}
	server.Put(trusthub.CustomerProfile{SID: "BU" + strings.ToLower(otherSID[2:]), Status: trusthub.StatusTwilioApproved})
	got, err = server.Client().FetchCustomerProfile(t.Context(), otherSID)
	if err != nil || got.Status != trusthub.StatusTwilioApproved || got.Links != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPutRejectsMalformedSIDs(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, `"BU1" is not a Customer Profile SID`) {
			t.Errorf("got %q", text)
		}
	}()
	trusthubtest.NewHandler().Put(trusthub.CustomerProfile{SID: "BU1"})
}

func TestRequests(t *testing.T) {
	server := trusthubtest.NewServer(t)
	client := server.Client()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
				t.Error(err)
			}
			server.Put(trusthub.CustomerProfile{SID: otherSID})
			server.Requests()
		})
	}
	all.Wait()
	requests := server.Requests()
	if len(requests) != 8 || requests[0].URL.Path != "/v1/CustomerProfiles/"+trusthubtest.ExampleSID || requests[0].Header.Get("Authorization") == "" {
		t.Errorf("got %v", requests)
	}
}

// The number of recorded requests is limited, so that a load test does not run out of memory.
func TestRequestsAreBounded(t *testing.T) {
	handler := trusthubtest.NewHandler()
	for i := range 10_002 {
		answer, err := handler.RoundTrip(&http.Request{Method: "GET", URL: &url.URL{Path: "/" + strconv.Itoa(i)}})
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	requests := handler.Requests()
	if len(requests) != 10_000 || requests[0].URL.Path != "/2" || requests[9999].URL.Path != "/10001" {
		t.Errorf("%d requests from %s", len(requests), requests[0].URL)
	}
}

func send(t *testing.T, transport http.RoundTripper, method, url, user string) (int, http.Header, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, trusthubtest.Password)
	}
	answer, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, body
}

func TestRemove(t *testing.T) {
	fake := trusthubtest.NewServer(t)
	client := fake.Client()
	fake.Remove("BU00000000000000000000000000000000") // unknown
	fake.Remove("BU" + strings.ToUpper(trusthubtest.ExampleSID[2:]))
	if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); !errors.Is(err, trusthub.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	fake.Put(trusthub.CustomerProfile{SID: trusthubtest.ExampleSID})
	if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
		t.Error(err)
	}
}
