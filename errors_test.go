package trusthub_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func TestErrorAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		status            int
		contentType, body string
		code              int
		message, moreInfo string
		text              string
	}{
		"documented shape": {
			404, apitest.JSON, `{"code":20404,"message":"not here","more_info":"https://i","status":404}`,
			20404, "not here", "https://i", "404 Not Found: not here (code 20404, request RQ1)",
		},
		"newer shape": {
			400, apitest.JSON, `{"code":20001,"message":"bad","httpStatusCode":400,"params":{"a":1},"userError":true}`,
			20001, "bad", "", "400 Bad Request: bad (code 20001, request RQ1)",
		},
		"text called JSON":  {503, apitest.JSON, "upstream secret", 0, "", "", "503 Service Unavailable (request RQ1)"},
		"HTML":              {502, "text/html", "<html>secret", 0, "", "", "502 Bad Gateway (request RQ1)"},
		"array":             {500, apitest.JSON, `["secret"]`, 0, "", "", "500 Internal Server Error (request RQ1)"},
		"wrong types":       {400, apitest.JSON, `{"code":"secret","message":"m","status":[]}`, 0, "m", "", "400 Bad Request: m (request RQ1)"},
		"empty":             {401, apitest.Text, "", 0, "", "", "401 Unauthorized (request RQ1)"},
		"unknown status":    {499, apitest.Text, "", 0, "", "", "499 (request RQ1)"},
		"redirect":          {302, apitest.Text, "", 0, "", "", "302 Found (request RQ1)"},
		"control character": {400, apitest.JSON, `{"message":"a\u001b[31m\nb\u202ec"}`, 0, "a\x1b[31m\nb\u202ec", "", "400 Bad Request: a[31mbc (request RQ1)"},
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.At(t, apitest.Serve(t, apitest.Answer(test.status, test.contentType, test.body)))
			profile, err := client.FetchCustomerProfile(t.Context(), sid)
			var apiErr *trusthub.Error
			if profile != nil || !errors.As(err, &apiErr) {
				t.Fatalf("got %v, %v", profile, err)
			}
			if apiErr.StatusCode != test.status || apiErr.RequestID != "RQ1" || string(apiErr.Body) != test.body {
				t.Errorf("evidence lost: %#v", apiErr)
			}
			if apiErr.Code != test.code || apiErr.Message != test.message || apiErr.MoreInfo != test.moreInfo {
				t.Errorf("got %#v", apiErr)
			}
			if want := "trusthub: GET /v1/CustomerProfiles/" + sid + ": " + test.text; err.Error() != want {
				t.Errorf("text\n%s, want\n%s", err, want)
			}
		})
	}
}

func TestErrorsByStatus(t *testing.T) {
	named := map[int]error{
		401: trusthub.ErrUnauthorized, 403: trusthub.ErrForbidden,
		404: trusthub.ErrNotFound, 429: trusthub.ErrTooManyRequests,
	}
	for _, status := range []int{400, 401, 403, 404, 429, 500} {
		err := fmt.Errorf("wrapped: %w", &trusthub.Error{StatusCode: status, RequestID: "RQ1"})
		for of, target := range named {
			if errors.Is(err, target) != (of == status) {
				t.Errorf("status %d, error of %d: %v", status, of, !errors.Is(err, target))
			}
		}
	}
}

// Whatever a server sends, the text of an error is short, on one line, and without the body.
func TestErrorTextsAreShort(t *testing.T) {
	long := strings.Repeat("é\x1b\n", 1<<12)
	apiErr := &trusthub.Error{StatusCode: 511, Code: math.MinInt, Message: long, MoreInfo: long, RequestID: long, Body: trusthub.Body("secret")}
	decodeErr := &trusthub.DecodeError{StatusCode: 200, RequestID: long, Pointer: long, Body: trusthub.Body("secret"), Err: errors.New(long + "secret")}
	for _, err := range []error{apiErr, decodeErr, &trusthub.Error{}, &trusthub.DecodeError{}} {
		text := err.Error()
		if len(text) >= 500 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		if strings.Contains(text, "secret") {
			t.Errorf("prints the body: %s", text)
		}
	}
}

// So are those of the network, of a context's cause and of an option.
func TestErrorTextsOfTheNetworkAreShort(t *testing.T) {
	long := strings.Repeat("é\x1b\n", 1<<12)
	_, network := apitest.Over(t, apitest.Broken(errors.New(long))).FetchCustomerProfile(t.Context(), sid)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New(long))
	_, ended := apitest.Over(t, apitest.Broken(nil)).FetchCustomerProfile(ctx, sid)
	auth := trusthub.AuthFunc(func(*http.Request) error { return errors.New(long) })
	_, unsigned := apitest.Client(t, auth, apitest.Broken(nil)).FetchCustomerProfile(t.Context(), sid)
	_, option := trusthub.NewClient(auth, trusthub.WithUserAgent(long))
	for name, err := range map[string]error{"network": network, "ended": ended, "unsigned": unsigned, "option": option} {
		t.Run(name, func(t *testing.T) { checkText(t, err) })
	}
}
