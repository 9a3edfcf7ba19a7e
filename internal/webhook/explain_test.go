package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/internal/webhook"
)

func TestExplain(t *testing.T) {
	const public, form = "https://app.example.com/hook/a?b=2&a=1", "BundleSid=BU1&Status=draft"
	token, next := webhook.AuthToken("token"), webhook.AuthToken("next")
	shared := webhook.SharedKey("id", "secret")
	keys := []webhook.NamedKey{{Key: token, Name: "TOKEN"}, {Key: next, Name: "NEXT"}, {Key: shared, Name: "SHARED"}}
	for name, test := range map[string]struct {
		signedFor, method, body string
		key                     webhook.Key
		settings                string // a settings header from a recorded request
		by                      string
		changes                 []string
	}{
		"as it is":           {public, "POST", form, token, "", "TOKEN", nil},
		"a port":             {"https://app.example.com:443/hook/a?b=2&a=1", "POST", form, token, "", "TOKEN", nil},
		"another scheme":     {"http://app.example.com/hook/a?b=2&a=1", "POST", form, token, "", "TOKEN", []string{"with http in place of https"}},
		"scheme and port":    {"http://app.example.com:8080/hook/a?b=2&a=1", "POST", form, token, "", "TOKEN", []string{"with http in place of https", "with the port 8080"}},
		"a slash":            {"https://app.example.com/hook/a/?b=2&a=1", "POST", form, token, "", "TOKEN", []string{"with a / at the end of the path"}},
		"sorted":             {"https://app.example.com/hook/a?a=1&b=2", "POST", form, token, "", "TOKEN", []string{"with the parameters of the query in another order"}},
		"no query":           {"https://app.example.com/hook/a", "POST", form, token, "", "TOKEN", []string{"without the query"}},
		"another key":        {public, "POST", form, next, "", "NEXT", nil},
		"header lost":        {public, "POST", form, shared, "", "SHARED", []string{"with the header X-Twilio-Webhooks-Signature-Settings, which something on the way has dropped"}},
		"header of another":  {public, "POST", form, shared, "key=x,algorithm=HMAC_SHA256", "SHARED", []string{"with the header X-Twilio-Webhooks-Signature-Settings naming that key and HMAC_SHA256"}},
		"superfluous header": {public, "POST", form, token, "key=x,algorithm=HMAC_SHA256", "TOKEN", []string{"without the header X-Twilio-Webhooks-Signature-Settings, because an auth token has signed"}},
		"a line break":       {public, "POST", form + "\n", token, "", "TOKEN", []string{"without the line break at the end of the body"}},
		"body not signed":    {public, "GET", "", token, "", "TOKEN", []string{"without the parameters of the body"}},
		"a prefix":           {"https://app.example.com/a?b=2&a=1", "POST", form, token, "", "TOKEN", []string{"without the first part of the path"}},
		"a forwarded host":   {"https://shop.example.com/hook/a?b=2&a=1", "POST", form, token, "", "TOKEN", []string{"with the host of the header X-Forwarded-Host"}},
		"a forwarded path":   {"https://app.example.com/api/x?c=1", "POST", form, token, "", "TOKEN", []string{"with the path of the header X-Original-Uri"}},
		"a forwarded prefix": {"https://app.example.com/v2/hook/a?b=2&a=1", "POST", form, token, "", "TOKEN", []string{"with the prefix of the header X-Forwarded-Prefix"}},
		"another URL":        {"https://other.example.com/", "POST", form, token, "", "", nil},
		"unknown key":        {public, "POST", form, webhook.AuthToken("x"), "", "", nil},
		"several changes":    {"http://app.example.com/hook/a/?a=1&b=2", "POST", form, next, "", "NEXT", []string{"with http in place of https", "with a / at the end of the path", "with the parameters of the query in another order"}},
	} {
		t.Run(name, func(t *testing.T) {
			algorithm := webhook.SHA256
			if test.key.ID() == "" {
				algorithm = webhook.SHA1
			}
			message, err := webhook.Read(httptest.NewRequest(test.method, "/", strings.NewReader(strings.TrimSpace(test.body))), test.signedFor)
			if err != nil {
				t.Fatal(err)
			}
			parameters, err := message.Parameters()
			if err != nil {
				t.Fatal(err)
			}
			body := test.body
			if test.method == "GET" {
				body = form
			}
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("X-Forwarded-Host", "shop.example.com")
			r.Header.Set("X-Original-Uri", "/api/x?c=1")
			r.Header.Set("X-Forwarded-Prefix", "/v2")
			r.Header.Set(webhook.SignatureHeader, test.key.Sign(algorithm, test.signedFor, webhook.Text(parameters)))
			if test.settings != "" {
				r.Header.Set(webhook.SettingsHeader, test.settings)
			}
			got, found := webhook.Explain(r, public, keys)
			if found != (test.by != "") || got.Key != test.by || !slices.Equal(got.Changes, test.changes) {
				t.Errorf("got %v, %v", got, found)
			}
		})
	}
}
