package trusthub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestAnswersWorthAnotherCall(t *testing.T) {
	torn := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", apitest.JSON)
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"sid"`))
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stall := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    bool
	}{
		"a profile":       {apitest.Answer(200, apitest.JSON, apitest.Profile), false},
		"302":             {apitest.Answer(302, apitest.Text, ""), false},
		"400":             {apitest.Answer(400, apitest.JSON, `{"code":20001}`), false},
		"401":             {apitest.Answer(401, apitest.JSON, `{"code":20003}`), false},
		"403":             {apitest.Answer(403, apitest.JSON, `{"code":20003}`), false},
		"404":             {apitest.Answer(404, apitest.JSON, `{"code":20404}`), false},
		"429":             {apitest.Answer(429, apitest.JSON, `{"code":20429}`), true},
		"429, for long":   {apitest.Throttle("3600"), true},
		"500":             {apitest.Answer(500, apitest.Text, ""), true},
		"501":             {apitest.Answer(501, apitest.Text, ""), false},
		"502":             {apitest.Answer(502, apitest.Text, ""), true},
		"503":             {apitest.Answer(503, apitest.Text, ""), true},
		"504":             {apitest.Answer(504, apitest.Text, ""), true},
		"HTML":            {apitest.Answer(200, "text/html", "<html>"), false},
		"JSON cut short":  {apitest.Answer(200, apitest.JSON, `{"sid"`), false},
		"a wrong type":    {apitest.Answer(200, apitest.JSON, `{"email":5}`), false},
		"another profile": {apitest.Answer(200, apitest.JSON, `{"sid":"`+apitest.UnknownSID+`"}`), false},
		"too large":       {apitest.Answer(200, apitest.JSON, fmt.Sprintf("%1100s", apitest.Profile)), false},
		"no answer":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		"torn body":       {torn, true},
		"late answer":     {hang, true},
		"late body":       {stall, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := apitest.Over(t, apitest.InMemory(t, test.handler), trusthub.WithTimeout(time.Second), trusthub.WithMaxResponseBytes(1<<10))
				_, err := client.FetchCustomerProfile(t.Context(), sid)
				if got := trusthub.IsRetryable(err); got != test.want || trusthub.IsRetryable(fmt.Errorf("wrapped: %w", err)) != test.want {
					t.Errorf("got %v for %v", got, err)
				}
			})
		})
	}
}

// What ends the reading of a body is worth another call in the generated client as in the facade.
func TestTornBodyOfTheGeneratedClientIsRetryable(t *testing.T) {
	client := apitest.At(t, apitest.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"sid"`))
	}))
	_, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid)
	if !trusthub.IsRetryable(err) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	checkText(t, err)
}

// However far a call has come when its caller's context ends: a deadline may be met by the same call later, a cancellation was meant.
func TestEndedContexts(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stall := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	inBothWays(t, func(t *testing.T, fetch fetchFunc) {
		for name, handlers := range map[string][]http.HandlerFunc{
			"in the first attempt": {hang},
			"in the first body":    {stall},
			"after an answer":      {apitest.Answer(503, apitest.Text, ""), hang},
			"after a late answer":  {hang, hang, hang},
			"while waiting":        {apitest.Throttle("9")},
			"in the body of an error": {func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(503)
				stall(w, r)
			}},
		} {
			s := apitest.NewScript(handlers...)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			_, err := fetch(ctx, apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithTimeout(2*time.Second)))
			cancel()
			if ctx.Err() == nil || !trusthub.IsRetryable(err) {
				t.Errorf("%s: got %v", name, err)
			}
			s = apitest.NewScript(handlers...)
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(3*time.Second, cancel)
			_, err = fetch(ctx, apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithTimeout(2*time.Second)))
			if err == nil || ctx.Err() == nil || trusthub.IsRetryable(err) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := fetch(ctx, apitest.Over(t, apitest.RoundTripFunc(nil))); err == nil || trusthub.IsRetryable(err) {
			t.Errorf("before anything: got %v", err)
		}
	})
}

// The time-out of an attempt is the same by either protocol, and cannot be taken for the end of the caller's context.
func TestTimeoutsLookTheSame(t *testing.T) {
	late := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	lateBody := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", apitest.JSON)
		_, _ = w.Write([]byte(`{"sid"`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	contracted := trusthub.WithMiddleware(contract.NewTransport) // reads the body inside of RoundTrip
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		opts    []trusthub.Option
		text    string
	}{
		"answer":             {late, nil, "no complete answer within 1s"},
		"body":               {lateBody, nil, "cannot decode the answer with status 200: the body did not arrive in time"},
		"body in middleware": {lateBody, []trusthub.Option{contracted}, "cannot decode the answer with status 200: the body did not arrive in time"},
	} {
		for protocol, protocols := range map[string]*http.Protocols{"HTTP/1.1": nil, "HTTP/2": apitest.OnlyHTTP2()} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					transport := apitest.InMemory(t, test.handler)
					transport.Protocols = protocols
					_, err := apitest.Over(t, transport, append(test.opts, trusthub.WithTimeout(time.Second))...).FetchCustomerProfile(t.Context(), sid)
					var timeout net.Error
					if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded) || !trusthub.IsRetryable(err) {
						t.Errorf("got %v", err)
					}
					if want := "trusthub: GET /v1/CustomerProfiles/" + sid + ": " + test.text; err == nil || err.Error() != want {
						t.Errorf("text\n%v, want\n%s", err, want)
					}
				})
			})
		}
	}
}

// opinion is an error that knows whether another attempt may help.
type opinion bool

func (opinion) Error() string     { return "opinion" }
func (o opinion) Retryable() bool { return bool(o) }

func TestErrorsWorthAnotherCall(t *testing.T) {
	transport := func(err error) trusthub.Option {
		return trusthub.WithHTTPClient(&http.Client{Transport: apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, err })})
	}
	for name, test := range map[string]struct {
		auth error
		opt  trusthub.Option
		want bool
	}{
		"refused connection":   {nil, transport(errors.New("connection refused")), true},
		"transport says yes":   {nil, transport(fmt.Errorf("wrapped: %w", opinion(true))), true},
		"transport says no":    {nil, transport(fmt.Errorf("wrapped: %w", opinion(false))), false},
		"transport names 401":  {nil, transport(fmt.Errorf("wrapped: %w", trusthub.ErrUnauthorized)), false},
		"authentication":       {io.EOF, transport(nil), false},
		"authentication later": {fmt.Errorf("wrapped: %w", opinion(true)), transport(nil), true},
		"authentication never": {opinion(false), transport(nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			auth := trusthub.AuthFunc(func(*http.Request) error { return test.auth })
			client, err := trusthub.NewClient(auth, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}), test.opt)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.FetchCustomerProfile(t.Context(), sid); err == nil || trusthub.IsRetryable(err) != test.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An Auth whose token server is down says so, and is asked again.
func TestRetryableAuthentication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signed := 0
		auth := trusthub.AuthFunc(func(*http.Request) error {
			if signed++; signed < 3 {
				return opinion(true)
			}
			return nil
		})
		client, err := trusthub.NewClient(auth, trusthub.WithHTTPClient(&http.Client{Transport: apitest.OK()}))
		if err != nil {
			t.Fatal(err)
		}
		var response trusthub.Response
		if _, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); err != nil || signed != 3 {
			t.Errorf("got %v after %d tries", err, signed)
		}
	})
}

func TestBadCertificatesAreNotRetryable(t *testing.T) {
	server := httptest.NewUnstartedServer(apitest.Answer(200, apitest.JSON, apitest.Profile))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if _, err := apitest.At(t, server.URL).FetchCustomerProfile(t.Context(), sid); err == nil || trusthub.IsRetryable(err) {
		t.Errorf("got %v", err)
	}
}

// What is not the outcome of a call is not for this package to judge.
func TestOtherErrorsAreNotRetryable(t *testing.T) {
	client := apitest.Over(t, trusthubtest.NewHandler())
	_, malformed := client.FetchCustomerProfile(t.Context(), "BU1")
	_, noClient := trusthub.NewClient(nil)
	for _, err := range []error{nil, malformed, noClient, context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, errors.New("other"), opinion(true)} {
		if trusthub.IsRetryable(err) {
			t.Errorf("got true for %v", err)
		}
	}
	if err := (&trusthub.DecodeError{Err: io.ErrUnexpectedEOF}); !trusthub.IsRetryable(err) {
		t.Error("got false for a torn body made by hand")
	}
	if err := (&trusthub.Error{StatusCode: 503}); !trusthub.IsRetryable(err) {
		t.Error("got false for a 503 made by hand")
	}
}

// A middleware may return the named error: "errors.Is(err, trusthub.ErrTooManyRequests)" is how programs tell.
func TestNamedRefusalOfMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := apitest.Over(t, apitest.Broken(fmt.Errorf("budget is used up: %w", trusthub.ErrTooManyRequests)), apitest.Defaults())
		defer func() {
			if value := recover(); value != nil {
				t.Errorf("panic: %v", value)
			}
		}()
		if _, err := client.FetchCustomerProfile(t.Context(), sid); !errors.Is(err, trusthub.ErrTooManyRequests) {
			t.Error(err)
		}
	})
}
