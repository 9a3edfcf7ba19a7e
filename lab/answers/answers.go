// Package answers has response bodies of the fake, for servers without logic.
package answers

import (
	"net/http"
	"net/http/httptest"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Example is the documented example, which has errors.
func Example() []byte { return fetch(trusthubtest.NewHandler()) }

// Approved is a profile without errors, with the SID of the example.
func Approved() []byte {
	fake := trusthubtest.NewHandler()
	fake.Put(trusthub.CustomerProfile{
		SID: trusthubtest.ExampleSID, AccountSID: "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", PolicySID: "RNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		FriendlyName: "friendly_name", Status: trusthub.StatusTwilioApproved, Email: "email",
	})
	return fetch(fake)
}

func fetch(fake *trusthubtest.Handler) []byte {
	req := httptest.NewRequest(http.MethodGet, "/v1/CustomerProfiles/"+trusthubtest.ExampleSID, nil)
	req.SetBasicAuth(trusthubtest.Username, trusthubtest.Password)
	recorder := httptest.NewRecorder()
	fake.ServeHTTP(recorder, req)
	return recorder.Body.Bytes()
}
