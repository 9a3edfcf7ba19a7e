package trusthubtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const otherSID = "BU0123456789abcdefABCDEF0123456789"

func TestAnswers(t *testing.T) {
	server := trusthubtest.NewServer(t)
	server.Put(trusthub.CustomerProfile{SID: otherSID})
	const profiles = "/v1/CustomerProfiles/"
	for name, test := range map[string]struct {
		method, path, user string
		status, code       int
	}{
		"example":           {"GET", profiles + trusthubtest.ExampleSID, trusthubtest.Username, 200, 0},
		"added":             {"GET", profiles + otherSID, trusthubtest.Username, 200, 0},
		"in other case":     {"GET", profiles + "BU" + strings.ToLower(otherSID[2:]), trusthubtest.Username, 200, 0},
		"unknown SID":       {"GET", profiles + "BU00000000000000000000000000000000", trusthubtest.Username, 404, 20404},
		"malformed SID":     {"GET", profiles + "BU1", trusthubtest.Username, 400, 400},
		"wrong credentials": {"GET", profiles + trusthubtest.ExampleSID, "AC1", 401, 20003},
		"no credentials":    {"GET", profiles + trusthubtest.ExampleSID, "", 401, 20003},
		"unknown path":      {"GET", "/v1/Policies", trusthubtest.Username, 404, 20404},
		"subresource":       {"GET", profiles + trusthubtest.ExampleSID + "/Evaluations", trusthubtest.Username, 404, 20404},
		"other method":      {"POST", profiles + trusthubtest.ExampleSID, trusthubtest.Username, 405, 20004},
	} {
		t.Run(name, func(t *testing.T) {
			status, header, body := send(t, server, test.method, test.path, test.user)
			if status != test.status {
				t.Fatalf("status %d, want %d", status, test.status)
			}
			if header.Get("Twilio-Request-Id") == "" || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
				t.Errorf("headers %v", header)
			}
			if (header.Get("Access-Control-Allow-Credentials") == "true") != (test.status == 200) {
				t.Errorf("headers %v", header)
			}
			if test.status != 200 && (body["code"] != float64(test.code) || body["status"] != float64(test.status) || body["message"] == "") {
				t.Errorf("body %v", body)
			}
		})
	}
}

// Every documented key is there, null where empty; a status, which the API never leaves out, is a draft.
func TestEmptyProfile(t *testing.T) {
	server := trusthubtest.NewServer(t)
	server.Put(trusthub.CustomerProfile{SID: otherSID})
	_, _, body := send(t, server, "GET", "/v1/CustomerProfiles/"+otherSID, trusthubtest.Username)
	want := map[string]any{
		"sid": otherSID, "account_sid": nil, "policy_sid": nil, "friendly_name": nil, "status": "draft", "valid_until": nil, "email": nil,
		"status_callback": nil, "date_created": nil, "date_updated": nil, "url": nil, "links": nil, "errors": nil,
	}
	for key, value := range want {
		if got, ok := body[key]; !ok || got != value {
			t.Errorf("%s: got %v, %v, want %v", key, got, ok, value)
		}
	}
	if len(body) != len(want) {
		t.Errorf("got %v", body)
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

func TestPutRefusesMalformedSIDs(t *testing.T) {
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

func send(t *testing.T, server *trusthubtest.Server, method, path, user string) (int, http.Header, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, trusthubtest.Password)
	}
	answer, err := http.DefaultClient.Do(req)
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
