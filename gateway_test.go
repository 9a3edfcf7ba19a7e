package trusthub_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// Who has answered is known by Twilio's header, or by what only Twilio's error bodies say.
func TestFromTwilio(t *testing.T) {
	for name, test := range map[string]struct {
		header, body string
		want         bool
	}{
		"header":                         {"RQ1", "<html>", true},
		"documented shape":               {"", `{"code":20404,"message":"m","more_info":"https://www.twilio.com/docs/errors/20404","status":404}`, true},
		"code of the whole API":          {"", `{"code":20404,"message":"m"}`, true},
		"code of one product":            {"", `{"code":45008,"message":"m","more_info":"https://www.twilio.com/docs/errors/45008"}`, true},
		"problem details":                {"", `{"type":"https://www.twilio.com/docs/api/errors/20404","title":"t","status":404,"code":20404}`, true},
		"odd code":                       {"", `{"code":"20404","more_info":"https://www.twilio.com/docs/errors/20404"}`, true},
		"nothing":                        {"", "", false},
		"code of gRPC":                   {"", `{"code":5,"message":"Not Found"}`, false},
		"five digits":                    {"", `{"code":10404,"message":"m","status":404}`, false},
		"another status":                 {"", `{"code":20404,"message":"m","status":403}`, false},
		"another status in newer shape":  {"", `{"code":20404,"message":"m","httpStatusCode":403}`, false},
		"somebody else's address":        {"", `{"code":1,"more_info":"https://twilio.com.example.com/"}`, false},
		"an address that ends like ours": {"", `{"code":1,"more_info":"https://nottwilio.com/"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if test.header != "" {
				header.Set("Twilio-Request-Id", test.header)
			}
			_, err := apitest.Over(t, apitest.Canned(404, header, test.body)).FetchCustomerProfile(t.Context(), sid)
			apiErr, ok := errors.AsType[*trusthub.Error](err)
			if !ok || apiErr.FromTwilio() != test.want || errors.Is(err, trusthub.ErrNotFound) != test.want || trusthub.IsRetryable(err) == test.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The text of a gateway's response names what can be seen of it, and none of its words.
func TestTextOfAGateway(t *testing.T) {
	header := http.Header{"Content-Type": {"text/html"}, "Server": {"nginx/1.29.3\x1b" + string(make([]byte, 100))}}
	_, err := apitest.Over(t, apitest.Canned(404, header, `{"message":"secret"}`)).FetchCustomerProfile(t.Context(), sid)
	want := "trusthub: GET /v1/CustomerProfiles/" + sid + ": 404 Not Found from a gateway, not from Twilio (content type text/html, server nginx/1.29.3…)"
	if err.Error() != want {
		t.Errorf("got\n%v, want\n%s", err, want)
	}
	_, err = apitest.Over(t, apitest.Canned(503, http.Header{}, "")).FetchCustomerProfile(t.Context(), sid)
	if want := "trusthub: GET /v1/CustomerProfiles/" + sid + ": 503 Service Unavailable from a gateway, not from Twilio (content type none)"; err.Error() != want {
		t.Errorf("got\n%v, want\n%s", err, want)
	}
}
