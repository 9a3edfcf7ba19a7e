package trusthub_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func TestCredentialsThatCannotWork(t *testing.T) {
	for name, auth := range map[string]trusthub.Auth{
		"none":               nil,
		"nil func":           trusthub.AuthFunc(nil),
		"empty user name":    trusthub.BasicAuth("", "hunter2"),
		"empty password":     trusthub.BasicAuth("AC1", ""),
		"colon in user name": trusthub.BasicAuth("AC:1", "hunter2"),
		"line break":         trusthub.BasicAuth("AC1", "hunter2\n"),
		"control character":  trusthub.BasicAuth("AC1\x7f", "hunter2"),
	} {
		client, err := trusthub.NewClient(auth)
		if client != nil || err == nil || strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "trusthub: ") {
			t.Errorf("%s: got %v, %v", name, client, err)
		}
	}
}

func TestBasicAuthSendsAnyPassword(t *testing.T) {
	const password = `p:ä"\ %41&`
	var got string
	url := apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, got, _ = r.BasicAuth()
		apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
	})
	client, err := trusthub.NewClient(trusthub.BasicAuth("SK1", password), trusthub.WithBaseURL(url))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || got != password {
		t.Errorf("server saw %q, client %v", got, err)
	}
}

func TestFailedAuthenticationSendsNothing(t *testing.T) {
	url := apitest.Serve(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	failure := errors.New("no token")
	client, err := trusthub.NewClient(trusthub.AuthFunc(func(*http.Request) error { return failure }), trusthub.WithBaseURL(url))
	if err != nil {
		t.Fatal(err)
	}
	if profile, err := client.FetchCustomerProfile(t.Context(), sid); profile != nil || !errors.Is(err, failure) {
		t.Errorf("got %v, %v", profile, err)
	}
	if answer, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid); answer != nil || !errors.Is(err, failure) {
		t.Errorf("generated client: got %v, %v", answer, err)
	}
}

// No printing of a client, its credentials or what the generated client returns shows a secret.
func TestNothingPrintsSecrets(t *testing.T) {
	const secret = "hunter2-hunter2"
	auth := trusthub.BasicAuth("AC1", secret)
	client, err := trusthub.NewClient(auth, trusthub.WithBaseURL(apitest.Serve(t, apitest.Answer(200, apitest.JSON, apitest.Profile))))
	if err != nil {
		t.Fatal(err)
	}
	generated := client.Generated()
	raw, err := generated.FetchCustomerProfile(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Body.Close()
	type hidden struct { // fmt calls no methods on unexported fields
		auth   trusthub.Auth
		client *trusthub.Client
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("AC1:" + secret))
	for name, value := range map[string]any{
		"auth": auth, "client": client, "client value": *client, "hidden": hidden{auth, client}, "pointer to hidden": &hidden{auth, client},
		"generated": generated, "raw request": raw.Request, "raw request header": raw.Request.Header,
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb, value)
		}
		for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			slog.New(handler).Info("m", "value", value)
		}
		hex := fmt.Sprintf("%x", secret)
		if text := out.String(); strings.Contains(text, secret) || strings.Contains(text, encoded) || strings.Contains(text, hex) ||
			strings.Contains(text, fmt.Sprintf("%x", encoded)) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Each attempt is signed anew.
func TestEachAttemptIsSigned(t *testing.T) {
	inBothWays(t, func(t *testing.T, fetch fetchFunc) {
		signed := 0
		var sent []string
		auth := trusthub.AuthFunc(func(req *http.Request) error {
			signed++
			req.Header.Set("Authorization", fmt.Sprint("Bearer ", signed))
			return nil
		})
		client := apitest.Client(t, auth, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = append(sent, req.Header.Get("Authorization"))
			return apitest.Unavailable()(req)
		}))
		_, _ = fetch(t.Context(), client)
		if want := []string{"Bearer 1", "Bearer 2", "Bearer 3"}; !slices.Equal(sent, want) {
			t.Errorf("sent %q", sent)
		}
	})
}

// An attempt that runs out of time while it waits for a token is tried again.
func TestTimeoutOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tokens atomic.Int64
		auth := trusthub.AuthFunc(func(req *http.Request) error {
			if tokens.Add(1) == 50 {
				<-req.Context().Done() // once
				return req.Context().Err()
			}
			return nil
		})
		server := apitest.NewScene(100*time.Millisecond, func(time.Duration, string) apitest.RoundTripFunc { return nil })
		results := apitest.FetchAll(t.Context(), t, apitest.Client(t, auth, server), 10000)
		if len(results) != 10000 || apitest.Failed(results) > 0 {
			t.Errorf("%d of 10000 results, %d lost", len(results), apitest.Failed(results))
		}
	})
}
