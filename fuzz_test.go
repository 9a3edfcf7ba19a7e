package trusthub_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Whatever a server answers, a call returns a profile or an error of a documented type that keeps the evidence.
func FuzzFetch(f *testing.F) {
	profile := `{"sid":"` + sid + `","status":"draft","valid_until":null,"date_created":"2019-07-30T22:29:24Z",` +
		`"links":{"a":"https://a"},"errors":[{"code":18601,"message":"m"}]}`
	for _, body := range []string{profile, profile[:40], "null", "[]", "", "{}", `{"sid":1}`, `{"errors":[{"code":"x"},1.0,[null]]}`, "{\"email\":\"\xff\"}"} {
		f.Add(200, apitest.JSON, "RQ1", body)
	}
	f.Add(200, "text/html", "RQ1", "<html>")
	f.Add(200, "application/x+json; charset=utf-8", "", profile)
	f.Add(204, "", "", "")
	f.Add(302, apitest.JSON, "RQ1", "")
	f.Add(404, apitest.JSON, "RQ1", `{"code":20404,"message":"m","more_info":"i","status":404}`)
	f.Add(503, apitest.JSON, "\x1b[31m", "upstream")
	const limit = 1 << 10
	f.Fuzz(func(t *testing.T, status int, contentType, requestID, body string) {
		client := apitest.Over(t, apitest.Canned(status, http.Header{"Content-Type": {contentType}, "Twilio-Request-Id": {requestID}}, body),
			trusthub.WithMaxResponseBytes(limit))
		var response trusthub.Response
		profile, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
		kept := body[:min(len(body), limit)]
		if string(response.Body) != kept || response.StatusCode != status || response.RequestID != requestID {
			t.Errorf("response %v", response)
		}
		var apiErr *trusthub.Error
		var decodeErr *trusthub.DecodeError
		switch {
		case err == nil:
			if profile == nil || status != 200 || !json.Valid([]byte(body)) || profile.SID != "" && !strings.EqualFold(profile.SID, sid) {
				t.Errorf("profile %v", profile)
			}
			return
		case profile != nil:
			t.Errorf("profile %v and error %v", profile, err)
		case errors.As(err, &apiErr):
			if status/100 == 2 || apiErr.StatusCode != status || apiErr.RequestID != requestID || string(apiErr.Body) != kept {
				t.Errorf("got %#v", apiErr)
			}
		case errors.As(err, &decodeErr):
			if status/100 != 2 || decodeErr.StatusCode != status || decodeErr.RequestID != requestID || string(decodeErr.Body) != kept ||
				errors.Is(err, trusthub.ErrResponseTooLarge) != (len(body) > limit) {
				t.Errorf("got %#v", decodeErr)
			}
		default:
			t.Errorf("undocumented error %T: %v", err, err)
		}
		checkText(t, err)
		if _, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid); len(body) > limit && !errors.Is(err, trusthub.ErrResponseTooLarge) {
			t.Errorf("generated client: %v", err)
		}
	})
}

// What keeps the contract, the client can read.
func FuzzContract(f *testing.F) {
	for _, body := range []string{
		`{"sid":"` + sid + `","account_sid":"","status":"draft","url":"https://a","links":{"a":"https://a"}}`,
		`{"errors":[{"code":1.0,"a":1e5,"b":[null]}]}`, `{"valid_until":"2019-07-30T22:29:24.5+01:00"}`, `{"email":"\ud83d\ude00"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		client := apitest.Over(t, apitest.CannedJSON(body), trusthub.WithMiddleware(contract.NewTransport))
		_, err := client.FetchCustomerProfile(t.Context(), sid)
		if decodeErr, ok := errors.AsType[*trusthub.DecodeError](err); ok && decodeErr.Pointer != "/sid" {
			t.Errorf("%q: %v", body, decodeErr)
		}
	})
}

// Whatever a server answers, contract passes it on byte for byte or fails with a short violation that quotes nothing of it, and
// says the same whether it fails calls or only reports.
func FuzzContractAnswer(f *testing.F) {
	f.Add(200, apitest.JSON, "true", `{"sid":"`+sid+`","status":"draft","errors":[{"code":18601}],"links":{"a":"https://a"}}`)
	f.Add(200, "text/html", "maybe", "<html>")
	f.Add(200, apitest.JSON, "", `{"errors":[1,"a",null],"links":{"a/b~":1},"status":"new","date_created":"2026-02-30T00:00:00Z"}`)
	f.Add(404, "application/JSON; charset", "false", `{"code":"20404","code":1}`)
	f.Add(429, "application/problem+json", "", "null")
	f.Add(503, apitest.JSON, "", "upstream")
	f.Add(302, "", "", "")
	f.Add(204, apitest.JSON, "x", "")
	pointer := regexp.MustCompile(`^(/([^~/]|~[01])*)*$`)
	f.Fuzz(func(t *testing.T, status int, contentType, credentials, body string) {
		header := http.Header{"Content-Type": {contentType}, "Access-Control-Allow-Credentials": {credentials}}
		var reported *contract.Violation
		observed, observeErr := sendOver(t, contract.Observe(func(v *contract.Violation) { reported = v })(apitest.Canned(status, header, body)))
		answer, err := sendOver(t, contract.NewTransport(apitest.Canned(status, header, body)))
		if observeErr != nil || observed != body || err == nil && answer != body {
			t.Errorf("%q, %q: got %q, observed %q, %v", contentType, body, answer, observed, observeErr)
		}
		var violation *contract.Violation
		if errors.As(err, &violation) != (err != nil) || !reflect.DeepEqual(violation, reported) {
			t.Fatalf("failed with %v, reported %v", err, reported)
		}
		if violation == nil {
			return
		}
		passing := status/100 == 5 || status == 429
		if passing && !json.Valid([]byte(body)) || violation.StatusCode != status || len(violation.Findings) == 0 || len(violation.Findings) > 100 {
			t.Errorf("got %#v", violation)
		}
		if text := violation.Error(); len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		for _, finding := range violation.Findings {
			if !pointer.MatchString(finding.Pointer) || finding.Reason == "" || len(finding.Reason) > 200 {
				t.Errorf("got %#v", finding)
			}
		}
	})
}

// sendOver fetches the example over a transport, and returns the body of the answer.
func sendOver(t *testing.T, transport http.RoundTripper) (string, error) {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, "/v1/CustomerProfiles/"+sid, nil)
	req.SetBasicAuth(trusthubtest.Username, trusthubtest.Password)
	answer, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body), err
}

// A string is sent exactly when it is a SID, and as nothing else.
func FuzzSID(f *testing.F) {
	for _, candidate := range append(malformedSIDs, sid) {
		f.Add(candidate)
	}
	pattern := regexp.MustCompile(`^BU[0-9a-fA-F]{32}$`)
	f.Fuzz(func(t *testing.T, candidate string) {
		var sent []string
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = append(sent, req.URL.EscapedPath())
			return apitest.OK()(req)
		}))
		valid := pattern.MatchString(candidate)
		_, err := client.FetchCustomerProfile(t.Context(), candidate)
		_, generatedErr := client.Generated().FetchCustomerProfileWithResponse(t.Context(), candidate)
		for _, err := range []error{err, generatedErr} {
			if (err == nil) != valid || err != nil && !errors.Is(err, trusthub.ErrInvalidSID) {
				t.Errorf("%q: %v", candidate, err)
			}
			if err != nil {
				checkText(t, err)
			}
		}
		for _, path := range sent {
			if !valid || path != "/v1/CustomerProfiles/"+candidate {
				t.Errorf("%q: sent to %q", candidate, path)
			}
		}
	})
}

// A Retry-After header is whole seconds, a date, or nothing.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"0", "1", "-1", "99999999999999999999", "1.5", "18700000000000000000A", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 1990 00:00:00 GMT", " 1", "+1"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		client := apitest.Over(t, apitest.Canned(429, http.Header{"Retry-After": {value}}, ""))
		_, err := client.FetchCustomerProfile(t.Context(), sid)
		var apiErr *trusthub.Error
		if !errors.As(err, &apiErr) {
			t.Fatalf("got %v", err)
		}
		_, dateErr := http.ParseTime(value)
		digits := value != "" && strings.Trim(value, "0123456789") == ""
		seconds, _ := strconv.ParseFloat(value, 64)
		switch {
		case digits && seconds < math.MaxInt64/float64(time.Second)-1 && apiErr.RetryAfter != time.Duration(seconds)*time.Second:
			t.Errorf("%q is %v", value, apiErr.RetryAfter)
		case apiErr.RetryAfter < 0, apiErr.RetryAfter > 0 && !digits && dateErr != nil:
			t.Errorf("%q is %v", value, apiErr.RetryAfter)
		}
	})
}

// An error body that is no object says nothing; it is kept, and the text stays fit for a log.
func FuzzErrorBody(f *testing.F) {
	for _, body := range []string{
		`{"code":20404,"message":"m","more_info":"i","status":404}`, `{"code":1,"message":"m","httpStatusCode":400,"params":{},"userError":true}`,
		"", "null", "[]", "<html>", `{"code":"1"}`, `{"code":1e99}`, `{"code":1e0}`, `{"code":-5,"message":null}`, `{"message":"` + strings.Repeat("é\\n", 500) + `"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		_, err := apitest.Over(t, apitest.Canned(400, http.Header{}, body)).FetchCustomerProfile(t.Context(), sid)
		var apiErr *trusthub.Error
		if !errors.As(err, &apiErr) || string(apiErr.Body) != body {
			t.Fatalf("got %v", err)
		}
		checkText(t, err)
		var known map[string]any
		if json.Unmarshal([]byte(body), &known) != nil && (apiErr.Code != 0 || apiErr.Message != "") {
			t.Errorf("read %d, %q", apiErr.Code, apiErr.Message)
		}
	})
}

func checkText(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); len(text) >= 500 || strings.ContainsFunc(text, unicode.IsControl) || !strings.HasPrefix(text, "trusthub: ") ||
		strings.Contains(text, "struct {") {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}
