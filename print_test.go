package trusthub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// cause is an error with fields that fmt shows, if it gets at them.
type cause struct{ text string }

func (c cause) Error() string { return c.text }

// Every type of this package prints by value as it does by pointer, and never what it must not.
func TestValuesPrintNoSecrets(t *testing.T) {
	const secret = "hunter2"
	body, header := trusthub.Body(secret), http.Header{"Set-Cookie": {secret}}
	response := trusthub.Response{StatusCode: 200, Body: body, Header: header}
	apiErr := &trusthub.Error{StatusCode: 503, Body: body}
	decodeErr := &trusthub.DecodeError{StatusCode: 200, Body: body, Err: cause{secret}}
	_, sendErr := apitest.Over(t, apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("transport connection broken: %w", cause{secret})
	})).FetchCustomerProfile(t.Context(), sid)
	auth := trusthub.BasicAuth(secret, secret)
	client, err := trusthub.NewClient(auth)
	if err != nil {
		t.Fatal(err)
	}
	for text, values := range map[string][]any{
		"[7 bytes]": {body, &body},
		`trusthub.Response(status 200, request "", body [7 bytes], attempts 0)`:       {response, &response},
		"trusthub: 503 Service Unavailable":                                           {*apiErr, apiErr},
		"trusthub: cannot decode the answer with status 200: the body broke off":      {*decodeErr, decodeErr},
		"trusthub: GET /v1/CustomerProfiles/" + sid + ": transport connection broken": {sendErr},
		"trusthub.Client(https://trusthub.twilio.com/)":                               {*client, client},
		"trusthub.BasicAuth(…)":                                                       {auth},
	} {
		first := everyForm(t, values[0])
		for _, value := range values {
			if got := fmt.Sprint(value); got != text {
				t.Errorf("%T prints\n%s, want\n%s", value, got, text)
			}
			if got := everyForm(t, value); got != first {
				t.Errorf("%T prints\n%s, and %T\n%s", values[0], first, value, got)
			}
			result := trusthub.FetchResult{Err: errors.Join(sendErr, apiErr, decodeErr)}
			for _, holder := range []any{value, []any{value}, struct{ Held any }{value}, map[string]any{"held": value}, result, &result} {
				printed := strings.ToLower(everyForm(t, holder))
				for _, form := range []string{secret, "68756e74", "ahvudgvy", "104 117", "0x68, 0x75", "150 165", "u+0068 u+0075", "1101000 1110101"} {
					if strings.Contains(printed, form) {
						t.Errorf("%T prints a secret as %s:\n%s", value, form, printed)
					}
				}
			}
		}
	}
}

// everyForm prints a value under every verb, in slog and in JSON.
func everyForm(t *testing.T, value any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "t", "b", "o", "e", "g", "c", "U", "100v", "-100s", ".3s"} {
		fmt.Fprintf(&out, "%"+verb+"\n", value)
	}
	withoutTime := &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, withoutTime), slog.NewTextHandler(&out, withoutTime)} {
		slog.New(handler).Info("m", "value", value)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return out.String() + string(encoded)
}

// The verbs for strings do to the text of an error what they do to any.
func TestErrorsHeedVerbs(t *testing.T) {
	err := &trusthub.Error{StatusCode: 404, Message: "é"}
	for verb, want := range map[string]string{
		"%q": `"trusthub: 404 Not Found: é"`, "%+q": `"trusthub: 404 Not Found: \u00e9"`, "%.8s": "trusthub", "%x": fmt.Sprintf("%x", err.Error()),
		"%30s": fmt.Sprintf("%30s", err.Error()), "%d": "trusthub: 404 Not Found: é",
	} {
		if got := fmt.Sprintf(verb, err); got != want {
			t.Errorf("%s: got %s, want %s", verb, got, want)
		}
	}
}

// A profile prints what is in it, and so does what holds one.
func TestProfilesPrint(t *testing.T) {
	profile := trusthub.CustomerProfile{Email: "e@example.com"}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "result", trusthub.FetchResult{Profile: &profile})
	for _, text := range []string{fmt.Sprint(profile), fmt.Sprint(&profile), fmt.Sprint([]trusthub.CustomerProfile{profile}), out.String()} {
		if !strings.Contains(text, "e@example.com") {
			t.Errorf("got %s", text)
		}
	}
}
