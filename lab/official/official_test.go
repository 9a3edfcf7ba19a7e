// Package official tests the fake with Twilio's own client. If that reads a response correctly, the
// fake behaves like Twilio.
package official

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/twilio/twilio-go/client"
	trusthubv1 "github.com/twilio/twilio-go/rest/trusthub/v1"

	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestOfficialClientReadsTheFake(t *testing.T) {
	server := trusthubtest.NewServer(t)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	service := func(password string) *trusthubv1.ApiService {
		official := &client.Client{
			Credentials: client.NewCredentials(trusthubtest.Username, password),
			HTTPClient:  &http.Client{Transport: rewrite{address}},
		}
		official.SetAccountSid(trusthubtest.Username)
		return trusthubv1.NewApiService(client.NewRequestHandler(official))
	}

	profile, err := service(trusthubtest.Password).FetchCustomerProfile(trusthubtest.ExampleSID)
	if err != nil {
		t.Fatal(err)
	}
	if *profile.Sid != trusthubtest.ExampleSID || *profile.FriendlyName != "friendly_name" || *profile.Status != "draft" || profile.ValidUntil != nil ||
		!profile.DateCreated.Equal(time.Date(2019, 7, 30, 22, 29, 24, 0, time.UTC)) || len(*profile.Links) != 3 ||
		(*profile.Errors)[0].(map[string]any)["code"] != float64(18601) {
		t.Errorf("got %+v", profile)
	}

	for name, test := range map[string]struct {
		password, sid string
		status, code  int
	}{
		"unknown profile":   {trusthubtest.Password, "BU00000000000000000000000000000000", 404, 20404},
		"wrong credentials": {"wrong", trusthubtest.ExampleSID, 401, 20003},
	} {
		_, err := service(test.password).FetchCustomerProfile(test.sid)
		var restErr *client.TwilioRestError
		if !errors.As(err, &restErr) || restErr.Status != test.status || restErr.Code != test.code || restErr.Message == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// rewrite sends requests for Twilio to the fake.
type rewrite struct{ to *url.URL }

func (r rewrite) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = r.to.Scheme, r.to.Host
	return http.DefaultTransport.RoundTrip(req)
}
