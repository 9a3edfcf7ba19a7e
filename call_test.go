package trusthub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func TestRetriedStatuses(t *testing.T) {
	retried := map[int]bool{429: true, 500: true, 502: true, 503: true, 504: true}
	inBothWays(t, func(t *testing.T, fetch fetchFunc) {
		for _, status := range []int{200, 302, 400, 401, 403, 404, 408, 409, 425, 429, 500, 501, 502, 503, 504, 505, 511} {
			s := apitest.NewScript(apitest.Answer(status, apitest.JSON, apitest.Profile))
			got, err := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()))
			want := 1
			if retried[status] {
				want = 3
			}
			if s.Requests() != want || got != status {
				t.Errorf("%d: %d requests, want %d; status %d, %v", status, s.Requests(), want, got, err)
			}
		}
	})
}

// A reset connection and a torn body are retried like a refusal, and the answer that comes in the end counts.
func TestRecovery(t *testing.T) {
	reset := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	torn := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"sid"`))
	}
	synctest.Test(t, func(t *testing.T) {
		for name, failure := range map[string]http.HandlerFunc{"reset": reset, "torn": torn, "503": apitest.Answer(503, apitest.Text, "")} {
			s := apitest.NewScript(failure, failure, apitest.Answer(200, apitest.JSON, apitest.Profile))
			status, err := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()))
			if status != 200 || err != nil || s.Requests() != 3 {
				t.Errorf("%s: %d, %v after %d requests", name, status, err, s.Requests())
			}
		}
	})
}

func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("connection refused")
		sent := 0
		client := apitest.Over(t, apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { sent++; return nil, failure }), apitest.Defaults())
		if _, err := fetch(t.Context(), client); !errors.Is(err, failure) || sent != 3 {
			t.Errorf("got %v after %d requests", err, sent)
		}
	})
}

type finalError struct{}

func (finalError) Error() string   { return "final" }
func (finalError) Retryable() bool { return false }

func TestNeverRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		client := apitest.Over(t, apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			sent++
			return nil, fmt.Errorf("wrapped: %w", finalError{})
		}), apitest.Defaults())
		if _, err := fetch(t.Context(), client); !errors.Is(err, finalError{}) || sent != 1 {
			t.Errorf("an error that is not Retryable: %v after %d requests", err, sent)
		}

		signed := 0
		auth := trusthub.AuthFunc(func(*http.Request) error { signed++; return io.EOF })
		client, err := trusthub.NewClient(auth, trusthub.WithHTTPClient(&http.Client{Transport: apitest.RoundTripFunc(nil)}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fetch(t.Context(), client); !errors.Is(err, io.EOF) || signed != 1 {
			t.Errorf("authentication: %v after %d tries", err, signed)
		}

		s := apitest.NewScript(apitest.Answer(200, apitest.JSON, strings.Repeat(" ", 11)))
		client = apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithMaxResponseBytes(10))
		if _, err := fetch(t.Context(), client); !errors.Is(err, trusthub.ErrResponseTooLarge) || s.Requests() != 1 {
			t.Errorf("too large: %v after %d requests", err, s.Requests())
		}
	})
}

func TestCertificateErrorsAreNotRetried(t *testing.T) {
	server := httptest.NewUnstartedServer(apitest.Answer(200, apitest.JSON, apitest.Profile))
	var handshakes atomic.Int32
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	counting := func(next http.RoundTripper) http.RoundTripper {
		return apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			handshakes.Add(1)
			return next.RoundTrip(req)
		})
	}
	client := apitest.At(t, server.URL, apitest.Defaults(), trusthub.WithMiddleware(counting))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err == nil || !strings.Contains(err.Error(), "certificate") || handshakes.Load() != 1 {
		t.Errorf("got %v after %d handshakes", err, handshakes.Load())
	}
}

// Waits double, spread from once to twice their least, and stay between MinWait and MaxWait.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const least, most = 100 * time.Millisecond, 500 * time.Millisecond
		seen := make(map[time.Duration]bool)
		for range 20 {
			s := apitest.NewScript(apitest.Answer(503, apitest.Text, ""))
			client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 6, MinWait: least, MaxWait: most}))
			_, _ = fetch(t.Context(), client)
			waits := s.Waits()
			if len(waits) != 5 {
				t.Fatalf("waits %v", waits)
			}
			for i, wait := range waits {
				seen[wait] = true
				from := min(least<<i, most/2)
				if to := min(2*from, most); wait < from || wait > to {
					t.Errorf("wait %d took %v, want %v to %v", i, wait, from, to)
				}
			}
		}
		if len(seen) < 50 {
			t.Errorf("%d different waits in 100: no jitter", len(seen))
		}
	})
}

// With one least and most wait, all are that.
func TestScheduleWithoutSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(apitest.Answer(503, apitest.Text, ""))
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 4, MinWait: time.Second, MaxWait: time.Second}))
		_, _ = fetch(t.Context(), client)
		if waits := s.Waits(); !slices.Equal(waits, []time.Duration{time.Second, time.Second, time.Second}) {
			t.Errorf("waits %v", waits)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, value := range []string{"1", "7", "date"} {
			seconds, err := strconv.Atoi(value)
			if err != nil {
				seconds = 5
				value = time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat)
			}
			want := time.Duration(seconds) * time.Second
			s := apitest.NewScript(apitest.Throttle(value), apitest.Answer(200, apitest.JSON, apitest.Profile))
			start := time.Now()
			if status, err := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults())); status != 200 || err != nil {
				t.Errorf("%s: %d, %v", value, status, err)
			}
			if took := time.Since(start); took > want || took < want-time.Second { // dates have whole seconds
				t.Errorf("%s: took %v, want %v", value, took, want)
			}
		}
	})
}

// What cannot be a wait is ignored, and the schedule applies.
func TestRetryAfterIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, value := range []string{"", "0", "-5", "1.5", "soon", "+7", "1 s", "0x10", "18700000000000000000A", "Mon, 01 Jan 1990 00:00:00 GMT", "Mon, 99 Jan 2030 00:00:00 GMT"} {
			s := apitest.NewScript(apitest.Throttle(value), apitest.Answer(200, apitest.JSON, apitest.Profile))
			start := time.Now()
			status, err := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()))
			if took := time.Since(start); status != 200 || err != nil || took < 200*time.Millisecond || took > 400*time.Millisecond {
				t.Errorf("%q: %d, %v after %v", value, status, err, took)
			}
		}
	})
}

// A wait that is longer than MaxWait is left to the caller, at once.
func TestRetryAfterTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for value, want := range map[string]time.Duration{
			"11":                            11 * time.Second,
			"9223372036":                    9223372036 * time.Second,
			"99999999999999999999":          9223372036 * time.Second,
			"18446744073709551615":          9223372036 * time.Second,
			"Fri, 31 Dec 9999 23:59:59 GMT": 1<<63 - 1,
		} {
			s := apitest.NewScript(apitest.Throttle(value))
			start := time.Now()
			_, err := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()).FetchCustomerProfile(t.Context(), sid)
			var apiErr *trusthub.Error
			if !errors.As(err, &apiErr) || apiErr.RetryAfter != want || s.Requests() != 1 || time.Since(start) != 0 {
				t.Errorf("%s: %v with %v after %d requests and %v", value, err, apiErr.RetryAfter, s.Requests(), time.Since(start))
			}
		}
	})
}

// The end of the context ends a wait, and the error tells both that and why the call was still waiting.
func TestContextEndsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(apitest.Throttle("5"))
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults())
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := fetch(ctx, client)
		var apiErr *trusthub.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &apiErr) || apiErr.StatusCode != 429 || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := fetch(ctx, apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults())); !errors.Is(err, context.Canceled) || !errors.Is(err, trusthub.ErrTooManyRequests) || len(err.Error()) >= 500 {
			t.Errorf("got %v", err)
		}
	})
}

// The context may also end in the middle of a later attempt, or of its body.
func TestContextEndsAttempt(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stall := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", apitest.JSON)
		_, _ = w.Write([]byte(`{"sid"`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]http.HandlerFunc{"hang": hang, "stall": stall} {
			s := apitest.NewScript(apitest.Answer(503, apitest.Text, ""), end)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			_, err := fetch(ctx, apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()))
			var apiErr *trusthub.Error
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &apiErr) || apiErr.StatusCode != 503 ||
				s.Requests() != 2 || time.Since(start) != 3*time.Second {
				t.Errorf("%s: got %v after %d requests and %v", name, err, s.Requests(), time.Since(start))
			}
		}
	})
}

// When the context ends with an answer, the error has that answer, and not the one before.
func TestContextEndsWithAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("shutting down")
		replies := []apitest.RoundTripFunc{apitest.Canned(503, nil, ""), func(req *http.Request) (*http.Response, error) {
			cancel(cause)
			return apitest.Canned(404, http.Header{"Twilio-Request-Id": {"RQ1"}}, "")(req)
		}}
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			reply := replies[0]
			replies = replies[1:]
			return reply(req)
		}), apitest.Defaults())
		_, err := fetch(ctx, client)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, trusthub.ErrNotFound) || !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	})
}

// The cause of the end of a context is found, whatever the call was waiting for.
func TestCauseIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		for name, handler := range map[string]http.HandlerFunc{"backing off": apitest.Asking(503, "9"), "in a pause": apitest.Throttle("9"), "for an answer": hang, "for its turn": nil} {
			client := apitest.Over(t, apitest.InMemory(t, func(w http.ResponseWriter, r *http.Request) {
				if handler == nil {
					hang(w, r)
					return
				}
				handler(w, r)
			}), apitest.Defaults(), trusthub.WithMaxConcurrency(1))
			if handler == nil {
				go func() { _, _ = fetch(t.Context(), client) }()
				synctest.Wait()
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
			_, err := fetch(ctx, client)
			if !errors.Is(err, cause) || !errors.Is(err, context.DeadlineExceeded) || !trusthub.IsRetryable(err) || len(err.Error()) >= 500 {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

func TestEndedContextSendsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := apitest.Over(t, apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { t.Error("sent"); return nil, io.EOF }))
	var response trusthub.Response
	_, err := client.FetchCustomerProfile(ctx, sid, trusthub.WithResponseInto(&response))
	if !errors.Is(err, context.Canceled) || response.Attempts != 0 {
		t.Errorf("got %v, %v", err, response)
	}
}

// One attempt, its body included, takes no longer than WithTimeout; the call goes on.
func TestTimeoutBoundsOneAttempt(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stall := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(hang, stall, apitest.Answer(200, apitest.JSON, apitest.Profile))
		start := time.Now()
		status, err := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithTimeout(time.Second)))
		if took := time.Since(start); status != 200 || err != nil || took < 2600*time.Millisecond || took > 3200*time.Millisecond {
			t.Errorf("got %d, %v after %v", status, err, took)
		}

		s = apitest.NewScript(hang)
		_, err = fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), trusthub.WithTimeout(time.Second)))
		if err == nil || !strings.Contains(err.Error(), "no complete answer within 1s") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDefaultTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := apitest.Over(t, apitest.InMemory(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })).FetchCustomerProfile(t.Context(), sid)
		if err == nil || time.Since(start) != 30*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestHTTPClientTimeoutBoundsOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, apitest.Answer(200, apitest.JSON, apitest.Profile))
		client := apitest.At(t, "http://127.0.0.1", apitest.Defaults(), trusthub.WithHTTPClient(&http.Client{
			Timeout: time.Second, Transport: apitest.InMemory(t, s.ServeHTTP),
		}))
		if status, err := fetch(t.Context(), client); status != 200 || err != nil || s.Requests() != 2 {
			t.Errorf("got %d, %v after %d requests", status, err, s.Requests())
		}
	})
}

// In a total outage 4,000 calls that may try four times send at most 1.25 requests each.
func TestQuotaBoundsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, calls = 40, 100
		var sent atomic.Int64
		client := apitest.Over(t, apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			sent.Add(1)
			time.Sleep(10 * time.Millisecond)
			return nil, io.EOF
		}), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 4}))
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range calls {
					if _, err := fetch(t.Context(), client); !errors.Is(err, io.EOF) {
						t.Errorf("got %v", err)
					}
				}
			})
		}
		all.Wait()
		if perCall := float64(sent.Load()) / (callers * calls); perCall > 1.25 || perCall <= 1 {
			t.Errorf("%.3f requests a call", perCall)
		}
	})
}

func TestSuccessesRefillTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, sent := true, 0
		client := apitest.Over(t, apitest.InMemory(t, func(w http.ResponseWriter, r *http.Request) {
			sent++
			status := 200
			if down {
				status = 503
			}
			apitest.Answer(status, apitest.JSON, apitest.Profile)(w, r)
		}), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 2}))
		requests := func(calls int) int {
			sent = 0
			for range calls {
				_, _ = fetch(t.Context(), client)
			}
			return sent
		}
		if got := requests(150); got != 250 { // 500 tokens are 100 retries
			t.Errorf("%d requests in an outage of 150 calls", got)
		}
		down = false
		requests(50)
		down = true
		if got := requests(20); got != 30 { // 50 successes pay for 10 retries
			t.Errorf("%d requests in an outage of 20 calls", got)
		}
	})
}

func TestRetryPolicies(t *testing.T) {
	auth := trusthub.BasicAuth("AC1", "p")
	for policy, valid := range map[trusthub.RetryPolicy]bool{
		{}: true, {MaxAttempts: 1}: true, {MaxWait: time.Millisecond}: true, {MinWait: time.Minute}: true, {MinWait: 1, MaxWait: 1}: true,
		{MaxAttempts: -1}: false, {MinWait: -1}: false, {MaxWait: -1}: false, {MinWait: 2, MaxWait: 1}: false,
	} {
		if client, err := trusthub.NewClient(auth, trusthub.WithRetry(policy)); (err == nil) != valid || (client != nil) != valid {
			t.Errorf("%+v: got %v", policy, err)
		}
	}
}

// The default waits are 200 to 400 ms, then twice that, and 10 s at most.
func TestDefaultSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var longest time.Duration
		for range 20 {
			s := apitest.NewScript(apitest.Answer(503, apitest.Text, ""))
			_, _ = fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 12})))
			for i, wait := range s.Waits() {
				from := min(200*time.Millisecond<<i, 5*time.Second)
				if to := min(2*from, 10*time.Second); wait < from || wait > to {
					t.Errorf("wait %d took %v, want %v to %v", i, wait, from, to)
				}
				longest = max(longest, wait)
			}
		}
		if longest < 9500*time.Millisecond {
			t.Errorf("none of 220 waits was longer than %v", longest)
		}
	})
}

// Whatever the status is that may pass, a Retry-After of MaxWait is heeded and one beyond ends the call.
func TestRetryAfterOfAnyStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{429, 500, 502, 503, 504} {
			for value, want := range map[string]time.Duration{"10": 10 * time.Second, "11": 0} {
				s := apitest.NewScript(apitest.Asking(status, value), apitest.Answer(200, apitest.JSON, apitest.Profile))
				start := time.Now()
				got, _ := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()))
				if took := time.Since(start); took != want || (got == 200) != (want > 0) {
					t.Errorf("%d, Retry-After %s: %d after %v", status, value, got, took)
				}
			}
		}
	})
}

// The error of a call whose context ends has the last failure, and no *Error that came before it.
func TestContextEndsAfterAnotherFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		reset, n := errors.New("reset"), 0
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return apitest.Canned(503, nil, "")(req)
			}
			time.AfterFunc(time.Millisecond, cancel)
			return nil, reset
		}), apitest.Defaults())
		_, err := fetch(ctx, client)
		if _, ok := errors.AsType[*trusthub.Error](err); ok || !errors.Is(err, context.Canceled) || !errors.Is(err, reset) {
			t.Errorf("got %v", err)
		}
	})
}

// A 5xx in the shape of Twilio's own errors is worth another attempt with contract, too.
func TestContractAndRetries(t *testing.T) {
	for _, status := range []int{429, 500, 502, 503, 504} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				if calls.Add(1) == 1 {
					return apitest.Canned(status, http.Header{"Content-Type": {apitest.JSON}}, fmt.Sprintf(`{"code":20500,"message":"x","more_info":"https://www.twilio.com/docs/errors/20500","status":%d}`, status))(req)
				}
				return nil, io.EOF
			}), apitest.Defaults(), trusthub.WithMiddleware(contract.NewTransport))
			_, err := client.FetchCustomerProfile(t.Context(), sid)
			if calls.Load() != 3 {
				t.Errorf("%d: %d calls: %v", status, calls.Load(), err)
			}
		})
	}
}

var malformedSIDs = []string{
	"", ".", "..", "../x", "/", sid[:33], sid + "a", sid + "\t", " " + sid, sid + "/", sid + "/Evaluations", sid + "?x=1",
	"AC" + sid[2:], "bu" + sid[2:], "BU" + strings.Repeat("g", 32), "BU" + strings.Repeat("é", 16), sid[:33] + "\x00",
	sid[:31] + "%61", "..%2f" + sid, strings.Repeat("a", 1<<16),
}

// A malformed SID never leaves the program, neither through the facade nor through the generated client.
func TestMalformedSIDsAreNotSent(t *testing.T) {
	client := apitest.At(t, apitest.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("sent to %q", r.URL)
	}))
	for _, sid := range malformedSIDs {
		var response trusthub.Response
		if profile, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); profile != nil || !errors.Is(err, trusthub.ErrInvalidSID) {
			t.Errorf("%.40q: got %v, %v", sid, profile, err)
		} else if len(err.Error()) > 200 {
			t.Errorf("%.40q: the error has %d bytes", sid, len(err.Error()))
		}
		if response.Attempts != 0 || response.StatusCode != 0 {
			t.Errorf("%.40q: response %v", sid, response)
		}
		if answer, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid); answer != nil || !errors.Is(err, trusthub.ErrInvalidSID) {
			t.Errorf("%.40q, generated client: got %v, %v", sid, answer, err)
		}
	}
}

// Credentials go to the configured host alone, and only to read, even when a request editor aims elsewhere.
func TestRequestEditorsCannotRedirect(t *testing.T) {
	elsewhere := strings.TrimPrefix(apitest.Serve(t, func(http.ResponseWriter, *http.Request) { t.Error("reached another host") }), "http://")
	client := apitest.At(t, apitest.Serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s %s%s", r.Method, r.Host, r.URL) }))
	for name, edit := range map[string]func(*http.Request){
		"host of the URL": func(r *http.Request) { r.URL.Host = elsewhere },
		"host header":     func(r *http.Request) { r.Host = elsewhere },
		"scheme":          func(r *http.Request) { r.URL.Scheme = "https" },
		"opaque":          func(r *http.Request) { r.URL.Opaque = "/v1/Accounts" },
		"path":            func(r *http.Request) { r.URL.Path = "/v1/Accounts" },
		"method":          func(r *http.Request) { r.Method = http.MethodDelete },
		"method in lower": func(r *http.Request) { r.Method = "get" },
		"method, printed": func(r *http.Request) { r.Method = "\x1b[31m" + strings.Repeat("X", 1000) },
		"host, printed":   func(r *http.Request) { r.Host = "\x1b[31m" + strings.Repeat("x", 1000) },
	} {
		_, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid, editor(edit))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		checkText(t, err)
	}
}

// What a request editor does to the rest is its own affair.
func TestRequestEditorsAreFree(t *testing.T) {
	var got *http.Request
	url := apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
	})
	edit := editor(func(r *http.Request) {
		r.Header.Set("User-Agent", "theirs")
		r.Header.Set("X-Theirs", "1")
		r.Header.Set("Host", "ignored by net/http")
		r.Method, r.Host = "", "" // mean the same
	})
	if _, err := apitest.At(t, url).Generated().FetchCustomerProfileWithResponse(t.Context(), sid, edit); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("User-Agent") != "theirs" || got.Header.Get("X-Theirs") != "1" || got.Method != http.MethodGet || got.Host != strings.TrimPrefix(url, "http://") {
		t.Errorf("got %s %s %v", got.Method, got.Host, got.Header)
	}
}

func editor(edit func(*http.Request)) gen.RequestEditorFn {
	return func(_ context.Context, r *http.Request) error { edit(r); return nil }
}
