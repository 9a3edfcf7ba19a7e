package trusthub_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// For every response, a call returns a profile, or an error of a documented type with the response.
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

// The client can decode every response that keeps the contract.
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
