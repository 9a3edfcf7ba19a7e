package bearer_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/examples/bearer"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestFetchWithBearerToken(t *testing.T) {
	issued := 0
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("grant_type") != "client_credentials" || r.FormValue("client_id") != "OQ1" || r.FormValue("client_secret") != "s" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		issued++
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"token-1","token_type":"Bearer","expires_in":3600}`)
	}))
	defer tokens.Close()
	fake := trusthubtest.NewHandler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			r.SetBasicAuth(trusthubtest.Username, trusthubtest.Password) // the fake knows no tokens
		}
		fake.ServeHTTP(w, r)
	}))
	defer server.Close()

	for secret, ok := range map[string]bool{"s": true, "wrong": false} {
		client, err := trusthub.NewClient(bearer.Auth(t.Context(), "OQ1", secret, tokens.URL), trusthub.WithBaseURL(server.URL))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if profile, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); (err == nil) != ok || (profile != nil) != ok {
				t.Errorf("%s: got %v, %v", secret, profile, err)
			}
		}
	}
	if issued != 1 || len(fake.Requests()) != 2 {
		t.Errorf("%d tokens for %d requests", issued, len(fake.Requests()))
	}
}
