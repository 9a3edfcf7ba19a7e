package trusthub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
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

// A call retries after a reset connection, a truncated body and a 503. Only the last response
// counts.
func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, failure := range map[string]http.HandlerFunc{"reset": apitest.Reset, "truncated": apitest.BreakOff, "503": apitest.Answer(503, apitest.Text, "")} {
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

// The end of the context ends a wait. The error contains the end of the context and the last
// failure.
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

// The end of the context also ends a retry, or the read of its body.
func TestContextEndsAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]http.HandlerFunc{"hang": apitest.Hang, "stall": apitest.Stall} {
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

// When the context ends during a response, the error contains this response and not an earlier one.
func TestContextEndsWithAResponse(t *testing.T) {
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

// The error contains the cause of the end of a context, for every kind of wait.
func TestCauseIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		for name, handler := range map[string]http.HandlerFunc{"backing off": apitest.Asking(503, "9"), "in a pause": apitest.Throttle("9"), "for a response": apitest.Hang, "for a slot": nil} {
			client := apitest.Over(t, apitest.InMemory(t, func(w http.ResponseWriter, r *http.Request) {
				if handler == nil {
					apitest.Hang(w, r)
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

// WithTimeout and the Timeout of the http.Client limit one attempt and its body. The call continues
// with another attempt.
func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			opt     func(http.RoundTripper) trusthub.Option
			timeout time.Duration
		}{
			"default":     {func(http.RoundTripper) trusthub.Option { return apitest.Defaults() }, 30 * time.Second},
			"WithTimeout": {func(http.RoundTripper) trusthub.Option { return trusthub.WithTimeout(time.Second) }, time.Second},
			"http.Client": {func(transport http.RoundTripper) trusthub.Option {
				return trusthub.WithHTTPClient(&http.Client{Timeout: time.Second, Transport: transport})
			}, time.Second},
		} {
			s := apitest.NewScript(apitest.Hang, apitest.Stall, apitest.Answer(200, apitest.JSON, apitest.Profile))
			transport, start := apitest.InMemory(t, s.ServeHTTP), time.Now()
			client := apitest.At(t, "http://127.0.0.1", trusthub.WithHTTPClient(&http.Client{Transport: transport}), apitest.Defaults(), test.opt(transport))
			status, err := fetch(t.Context(), client)
			took := time.Since(start) - 2*test.timeout // without two waits
			if status != 200 || err != nil || s.Requests() != 3 || took < 600*time.Millisecond || took > 1200*time.Millisecond {
				t.Errorf("%s: got %d, %v after %v and %d requests", name, status, err, took, s.Requests())
			}
		}
		_, err := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, apitest.Hang), trusthub.WithTimeout(time.Second)))
		if err == nil || !strings.Contains(err.Error(), "no complete response within 1s") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// All calls together make 100 retries. Every five successes permit one more.
func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var sent atomic.Int64
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent.Add(1)
			time.Sleep(10 * time.Millisecond)
			if down.Load() {
				return nil, io.EOF
			}
			return apitest.OK()(req)
		}), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 4}))
		requests := func(calls int) int64 {
			sent.Store(0)
			var all sync.WaitGroup
			for range calls {
				all.Go(func() {
					if _, err := fetch(t.Context(), client); (err != nil) != down.Load() || err != nil && !errors.Is(err, io.EOF) {
						t.Errorf("got %v", err)
					}
				})
			}
			all.Wait()
			return sent.Load()
		}
		down.Store(true)
		if got := requests(400); got != 500 {
			t.Errorf("%d requests in an outage of 400 calls", got)
		}
		down.Store(false)
		requests(50)
		down.Store(true)
		if got := requests(20); got != 30 {
			t.Errorf("%d requests in an outage of 20 calls", got)
		}
	})
}

// Waits follow the retry policy. By default, the first takes 200 to 400 ms, and each next one twice
// as long.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			policy      trusthub.RetryPolicy
			least, most []time.Duration
		}{
			"default": {trusthub.RetryPolicy{}, []time.Duration{200 * time.Millisecond, 400 * time.Millisecond}, []time.Duration{400 * time.Millisecond, 800 * time.Millisecond}},
			"given": {
				trusthub.RetryPolicy{MaxAttempts: 4, MinWait: time.Second, MaxWait: time.Second},
				slices.Repeat([]time.Duration{time.Second}, 3), slices.Repeat([]time.Duration{time.Second}, 3),
			},
		} {
			s := apitest.NewScript(apitest.Answer(503, apitest.Text, ""))
			_, _ = fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), trusthub.WithRetry(test.policy)))
			waits := s.Waits()
			if len(waits) != len(test.least) {
				t.Fatalf("%s: waits %v", name, waits)
			}
			for i, wait := range waits {
				if wait < test.least[i] || wait > test.most[i] {
					t.Errorf("%s: waits %v", name, waits)
				}
			}
		}
	})
}

// For every retried status, a call waits for a Retry-After up to MaxWait. A longer one ends the
// call at once. An invalid one is ignored.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{429, 500, 502, 503, 504} {
			for value, want := range map[string]time.Duration{
				"10": 10 * time.Second, "11": 0, "soon": 400 * time.Millisecond, "date": 5 * time.Second,
			} {
				if value == "date" {
					value = time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat)
				}
				s := apitest.NewScript(apitest.Asking(status, value), apitest.Answer(200, apitest.JSON, apitest.Profile))
				start := time.Now()
				got, err := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()))
				// An HTTP date has whole seconds.
				if took := time.Since(start); took > want || took < want-time.Second {
					t.Errorf("%d, Retry-After %s: took %v", status, value, took)
				}
				apiErr, failed := errors.AsType[*trusthub.Error](err)
				if failed != (value == "11") || failed && (apiErr.RetryAfter != 11*time.Second || s.Requests() != 1) || !failed && got != 200 {
					t.Errorf("%d, Retry-After %s: %d, %v after %d requests", status, value, got, err, s.Requests())
				}
			}
		}
	})
}

// When the context ends, the error contains the last failure, and no *Error of an earlier attempt.
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

// A malformed SID is never sent, by the facade or by the generated client. A valid SID is sent
// unchanged.
func TestMalformedSIDsAreNotSent(t *testing.T) {
	sent := ""
	client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req.URL.EscapedPath()
		return apitest.OK()(req)
	}))
	for _, candidate := range []string{
		"", ".", "..", "../x", "/", sid[:33], sid + "a", sid + "\t", " " + sid, sid + "/", sid + "/Evaluations", sid + "?x=1",
		"AC" + sid[2:], "bu" + sid[2:], "BU" + strings.Repeat("g", 32), "BU" + strings.Repeat("é", 16), sid[:33] + "\x00",
		sid[:31] + "%61", "..%2f" + sid, strings.Repeat("a", 1<<16), "\x1b[31m" + strings.Repeat("\n", 28),
	} {
		var response trusthub.Response
		profile, err := client.FetchCustomerProfile(t.Context(), candidate, trusthub.WithResponseInto(&response))
		if profile != nil || !errors.Is(err, trusthub.ErrInvalidSID) || len(err.Error()) > 200 || response.Attempts != 0 || response.StatusCode != 0 {
			t.Errorf("%.40q: got %v, %v, %v", candidate, profile, err, response)
		}
		checkText(t, err)
		answer, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), candidate)
		if answer != nil || !errors.Is(err, trusthub.ErrInvalidSID) {
			t.Errorf("%.40q, generated client: got %v, %v", candidate, answer, err)
		}
		checkText(t, err)
		if sent != "" {
			t.Fatalf("%.40q: sent to %q", candidate, sent)
		}
	}
	const good = "BU0123456789abcdefABCDEF0123456789"
	call := operations["FetchCustomerProfile"]
	sent = ""
	if err := call.facade(t.Context(), client, good); err != nil || sent != "/v1/CustomerProfiles/"+good {
		t.Errorf("sent to %q, %v", sent, err)
	}
	sent = ""
	if _, err := call.generated(t.Context(), client, good); err != nil || sent != "/v1/CustomerProfiles/"+good {
		t.Errorf("generated client: sent to %q, %v", sent, err)
	}
}

// A request editor cannot change the host, path or method: credentials are sent only to the
// configured host, and only to read.
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

// A request editor may change other headers.
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
		r.Method, r.Host = "", "" // empty: the default
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

func TestResponseInto(t *testing.T) {
	const body = `{"sid":null,"email":""}`
	client := apitest.At(t, apitest.Serve(t, apitest.Answer(200, apitest.JSON, body)))
	response := trusthub.Response{StatusCode: 1, RequestID: "stale"}
	if _, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 || response.RequestID != "RQ1" || string(response.Body) != body ||
		response.Header.Get("Content-Type") != apitest.JSON || response.Attempts != 1 {
		t.Errorf("got %v", response)
	}
}

// Several variables can receive the response of one call.
func TestResponseIntoSeveral(t *testing.T) {
	client := apitest.At(t, apitest.Serve(t, apitest.Answer(404, apitest.JSON, `{"code":20404}`)))
	stale := trusthub.Response{StatusCode: 1, RequestID: "stale"}
	first, second := stale, stale
	opts := []trusthub.CallOption{trusthub.WithResponseInto(&first), nil, trusthub.WithResponseInto(nil), trusthub.WithResponseInto(&second)}
	if _, err := client.FetchCustomerProfile(t.Context(), sid, opts...); !errors.Is(err, trusthub.ErrNotFound) {
		t.Fatal(err)
	}
	for _, response := range []trusthub.Response{first, second} {
		if response.StatusCode != 404 || response.RequestID != "RQ1" || string(response.Body) != `{"code":20404}` || response.Attempts != 1 {
			t.Errorf("got %v", response)
		}
	}
	if _, err := client.FetchCustomerProfile(t.Context(), "malformed", opts...); !errors.Is(err, trusthub.ErrInvalidSID) {
		t.Fatal(err)
	}
	if first.StatusCode != 0 || second.StatusCode != 0 {
		t.Errorf("values of the previous call remain: %v, %v", first, second)
	}
}

func TestResponseIntoWithoutResponse(t *testing.T) {
	client := apitest.At(t, "https://h", trusthub.WithHTTPClient(&http.Client{
		Transport: apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errors.New("down") }),
	}))
	response := trusthub.Response{StatusCode: 1, RequestID: "stale", Body: trusthub.Body("stale")}
	if _, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); err == nil {
		t.Fatal("no error")
	}
	if response.StatusCode != 0 || response.RequestID != "" || response.Body != nil || response.Attempts != 1 {
		t.Errorf("got %v", response)
	}
}

// A body whose Read ignores the context ends with the attempt, and its slot is free again.
func TestBodiesThatIgnoreTheContext(t *testing.T) {
	switching := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = conn.Read(make([]byte, 1)) // until the client closes the connection
		_ = conn.Close()
	}
	stuck := func(status int) func(*testing.T) http.RoundTripper {
		return func(*testing.T) http.RoundTripper {
			return apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: make(apitest.StuckBody)}, nil
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for name, transport := range map[string]func(*testing.T) http.RoundTripper{
			"101":            func(t *testing.T) http.RoundTripper { return apitest.InMemory(t, switching) },
			"profile":        stuck(200),
			"error":          stuck(503),
			"not a response": stuck(101),
		} {
			client := apitest.Over(t, transport(t), trusthub.WithMaxConcurrency(1))
			for range 2 {
				start := time.Now()
				if _, err := fetch(t.Context(), client); time.Since(start) != 30*time.Second {
					t.Errorf("%s: got %v after %v", name, err, time.Since(start))
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			if _, err := fetch(ctx, client); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%s: got %v after %v", name, err, time.Since(start))
			}
			cancel()
		}
	})
}

// A call inside another call, with the same context, does not change the Response of the outer
// call.
func TestResponseOfACallWithinACall(t *testing.T) {
	inner := apitest.Over(t, apitest.Canned(200, http.Header{"Content-Type": {apitest.JSON}, "Twilio-Request-Id": {"RQinner"}}, apitest.Profile))
	auth := trusthub.AuthFunc(func(req *http.Request) error {
		if _, err := inner.FetchCustomerProfile(req.Context(), apitest.UnknownSID); err != nil {
			return err
		}
		return errors.New("no token")
	})
	var response trusthub.Response
	_, err := apitest.Client(t, auth, apitest.RoundTripFunc(nil)).FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
	if err == nil || response.StatusCode != 0 || response.Attempts != 0 {
		t.Errorf("nothing was sent: %v, but got %v", err, response)
	}
}

// fetched is a profile of the documented size. It does not change when the document gains a
// property.
const fetched = `{"sid":"` + sid + `","account_sid":"ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","policy_sid":"RNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",` +
	`"friendly_name":"friendly_name","status":"draft","valid_until":null,"email":"email","status_callback":"http://www.example.com",` +
	`"date_created":"2019-07-30T22:29:24Z","date_updated":"2019-07-31T01:09:00Z","url":"https://trusthub.twilio.com/v1/CustomerProfiles/` + sid + `",` +
	`"links":{"evaluations":"` + longURL + `","entity_assignments":"` + longURL + `","channel_endpoint_assignment":"` + longURL + `"},"errors":[{"code":18601}]}`

const longURL = "https://trusthub.twilio.com/v1/CustomerProfiles/" + sid + "/ChannelEndpointAssignments"

const (
	mostAllocations = 33
	mostInABatch    = 38
)

// The allocations of a fetch, and of a SID in a batch, have an upper limit. They include the
// response of the transport.
func TestAllocations(t *testing.T) {
	without := allocationsOfAFetch(t)
	with := allocationsOfAFetch(t, trusthub.WithHooks(trusthub.Hooks{
		CallStart:    func(ctx context.Context, _ trusthub.CallInfo) context.Context { return ctx },
		AttemptStart: func(ctx context.Context, _ trusthub.AttemptInfo) context.Context { return ctx },
		AttemptDone:  func(context.Context, trusthub.AttemptInfo) {},
		CallDone:     func(context.Context, trusthub.CallInfo) {},
	}))
	inBatch := allocationsInABatch(t)
	t.Logf("%.0f allocations, %.0f with hooks, %.1f in a batch", without, with, inBatch)
	if apitest.Race {
		return
	}
	if without > mostAllocations || with > mostAllocations+2 {
		t.Errorf("%.0f allocations a fetch, %d at most; %.0f with hooks, two more at most", without, mostAllocations, with)
	}
	if inBatch > mostInABatch {
		t.Errorf("%.1f allocations a SID in a batch, %d at most", inBatch, mostInABatch)
	}
}

func allocationsOfAFetch(t *testing.T, opts ...trusthub.Option) float64 {
	t.Helper()
	client := apitest.Over(t, apitest.CannedJSON(fetched), opts...)
	ctx := t.Context()
	return testing.AllocsPerRun(1000, func() {
		if _, err := client.FetchCustomerProfile(ctx, sid); err != nil {
			t.Fatal(err)
		}
	})
}

func allocationsInABatch(t *testing.T) float64 {
	t.Helper()
	client := apitest.Over(t, apitest.CannedJSON(fetched))
	const sids = 1000
	return testing.AllocsPerRun(5, func() {
		for result := range client.FetchCustomerProfiles(t.Context(), slices.Values(slices.Repeat([]string{sid}, sids))) {
			if result.Err != nil {
				t.Fatal(result.Err)
			}
		}
	}) / sids
}
