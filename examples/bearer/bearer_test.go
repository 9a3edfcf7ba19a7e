package bearer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/examples/bearer"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const refusal = `{"error":"invalid_client","error_description":"secret-in-a-body"}`

func TestTokenIsFetchedOnceUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var issued atomic.Int64
		client := newClient(t, inMemory(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("grant_type") != "client_credentials" || r.FormValue("client_id") != "OQ1" || r.FormValue("client_secret") != "s" {
				t.Errorf("got %v", r.Form)
			}
			time.Sleep(100 * time.Millisecond)
			issued.Add(1)
			issue(w, r)
		}))
		for want := range int64(2) {
			var callers sync.WaitGroup
			for range 50 {
				callers.Go(func() {
					if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait()
			if issued.Load() != want+1 {
				t.Errorf("%d tokens issued in hour %d", issued.Load(), want+1)
			}
			time.Sleep(time.Hour)
		}
	})
}

func TestContextBoundsTheFetchOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, inMemory(hang))
		var callers sync.WaitGroup
		for range 2 { // one fetches a token, the other waits for it
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				start := time.Now()
				_, err := client.FetchCustomerProfile(ctx, trusthubtest.ExampleSID)
				if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 500*time.Millisecond {
					t.Errorf("after %v: %v", took, err)
				}
			})
		}
		callers.Wait()
	})
}

func TestOneHungRequestBlocksNoOtherCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		client := newClient(t, inMemory(func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 1 {
				hang(w, r)
				return
			}
			issue(w, r)
		}))
		ctx, cancel := context.WithCancel(t.Context())
		var first sync.WaitGroup
		first.Go(func() {
			if _, err := client.FetchCustomerProfile(ctx, trusthubtest.ExampleSID); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		// the first waits before it fetches a token itself
		for _, limit := range []time.Duration{time.Second, 0} {
			start := time.Now()
			if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil || time.Since(start) > limit {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		}
		cancel()
		first.Wait()
	})
}

func TestFailuresOfTheTokenServer(t *testing.T) {
	for name, test := range map[string]struct {
		server    http.RoundTripper
		retryable bool
	}{
		"429":              {answer(429, ""), true},
		"503":              {answer(503, "secret-in-a-body"), true},
		"broken":           {failing(io.ErrUnexpectedEOF), true},
		"hangs":            {inMemory(hang), true},
		"HTML":             {answer(200, "<html>"), true},
		"rejects":          {answer(401, refusal), false},
		"rejects with 400": {answer(400, refusal), false},
		"untrusted":        {failing(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests, failures := 0, 3
				client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
					if requests++; requests > failures {
						return inMemory(issue).RoundTrip(req)
					}
					return test.server.RoundTrip(req)
				}))
				_, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID)
				if err == nil || trusthub.IsRetryable(err) != test.retryable || (requests == 3) != test.retryable || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %v after %d requests for a token", err, requests)
				}
				failures = requests + 1
				if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); (err == nil) != test.retryable {
					t.Errorf("got %v after one more failure", err)
				}
			})
		})
	}
}

// newClient returns a client of a fake, with tokens of a token server, both in memory.
func newClient(t *testing.T, tokenServer http.RoundTripper) *trusthub.Client {
	t.Helper()
	fake := trusthubtest.NewHandler()
	client, err := trusthub.NewClient(bearer.Auth(&http.Client{Transport: tokenServer}, "OQ1", "s", bearer.TokenURL),
		trusthub.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Header.Get("Authorization") == "Bearer token-1" {
				req.SetBasicAuth(trusthubtest.Username, trusthubtest.Password) // the fake has no tokens
			}
			return fake.RoundTrip(req)
		})}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func inMemory(handler http.HandlerFunc) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		handler(recorder, req)
		return recorder.Result(), req.Context().Err()
	})
}

func failing(err error) http.RoundTripper {
	return roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })
}

func answer(status int, body string) http.RoundTripper {
	return inMemory(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func issue(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"access_token":"token-1","token_type":"Bearer","expires_in":3600}`)
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
