package trusthub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func TestNewClientFromEnv(t *testing.T) {
	const global = "https://trusthub.twilio.com"
	for name, test := range map[string]struct {
		env      string
		user     string // that requests carry
		host     string
		complain string // in the error
	}{
		"account":            {"ACCOUNT_SID=AC1 AUTH_TOKEN=t", "AC1:t", global, ""},
		"API key":            {"API_KEY=SK1 API_SECRET=s", "SK1:s", global, ""},
		"both":               {"ACCOUNT_SID=AC1 AUTH_TOKEN=t API_KEY=SK1 API_SECRET=s", "SK1:s", global, ""},
		"key beside account": {"ACCOUNT_SID=AC1 API_KEY=SK1 API_SECRET=s", "SK1:s", global, ""},
		"nothing":            {"", "", "", "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"},
		"half an account":    {"ACCOUNT_SID=AC1", "", "", "TWILIO_AUTH_TOKEN is not"},
		"token alone":        {"AUTH_TOKEN=t", "", "", "TWILIO_ACCOUNT_SID is not"},
		"half a key":         {"API_KEY=SK1 ACCOUNT_SID=AC1 AUTH_TOKEN=t", "", "", "TWILIO_API_SECRET is not"},
		"secret alone":       {"API_SECRET=s ACCOUNT_SID=AC1 AUTH_TOKEN=t", "", "", "TWILIO_API_KEY is not"},
		"edge":               {"API_KEY=SK1 API_SECRET=s EDGE=dublin", "SK1:s", "https://trusthub.dublin.us1.twilio.com", ""},
		"edge and region":    {"API_KEY=SK1 API_SECRET=s EDGE=dublin REGION=ie1", "SK1:s", "https://trusthub.dublin.ie1.twilio.com", ""},
		"region alone":       {"API_KEY=SK1 API_SECRET=s REGION=ie1", "", "", "TWILIO_EDGE is not"},
		"edge no label":      {"API_KEY=SK1 API_SECRET=s EDGE=evil.example/", "", "", "host labels"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"ACCOUNT_SID", "AUTH_TOKEN", "API_KEY", "API_SECRET", "EDGE", "REGION"} {
				t.Setenv("TWILIO_"+key, "")
			}
			for _, assignment := range strings.Fields(test.env) {
				key, value, _ := strings.Cut(assignment, "=")
				t.Setenv("TWILIO_"+key, value)
			}
			var user, host string
			client, err := trusthub.NewClientFromEnv(trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}), trusthub.WithHTTPClient(&http.Client{
				Transport: apitest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
					username, password, _ := r.BasicAuth()
					user, host = username+":"+password, r.URL.Scheme+"://"+r.URL.Host
					return nil, http.ErrHandlerTimeout
				}),
			}))
			if test.complain != "" {
				if client != nil || err == nil || !strings.Contains(err.Error(), test.complain) {
					t.Errorf("got %v, %v, want %q", client, err, test.complain)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, _ = client.FetchCustomerProfile(t.Context(), sid)
			if user != test.user || host != test.host {
				t.Errorf("sent %s to %s", user, host)
			}
		})
	}
}

// An address by an option is what counts, whatever the environment says of one.
func TestOptionsOverrideTheEnvironmentsAddress(t *testing.T) {
	t.Setenv("TWILIO_API_KEY", "SK1")
	t.Setenv("TWILIO_API_SECRET", "s")
	for _, env := range [][2]string{{"dublin", ""}, {"dublin", "ie1"}, {"", "ie1"}, {"evil.example/", "ie1"}} {
		t.Setenv("TWILIO_EDGE", env[0])
		t.Setenv("TWILIO_REGION", env[1])
		client, err := trusthub.NewClientFromEnv(trusthub.WithBaseURL("https://h/base"))
		if err != nil || fmt.Sprint(client) != "trusthub.Client(https://h/base/)" {
			t.Errorf("%q, base URL: got %v, %v", env, client, err)
		}
		client, err = trusthub.NewClientFromEnv(trusthub.WithEdge("sydney", "au1"))
		if err != nil || fmt.Sprint(client) != "trusthub.Client(https://trusthub.sydney.au1.twilio.com/)" {
			t.Errorf("%q, edge: got %v, %v", env, client, err)
		}
	}
}
