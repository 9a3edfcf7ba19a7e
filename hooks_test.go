package trusthub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestHooks(t *testing.T) {
	inBothWays(t, func(t *testing.T, fetch fetchFunc) {
		s := apitest.NewScript(apitest.Answer(503, apitest.JSON, "{}"), apitest.Throttle("4"), func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
		})
		var d apitest.Diary
		if _, err := fetch(t.Context(), apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), d.Hooks())); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"call GET https://trusthub.twilio.com/v1/CustomerProfiles/{Sid}",
			"call: attempt 1 waited 0s", "attempt 1: 503 RQ1 status took 0s, final false",
			"call: attempt 2 waited 0s", "attempt 2: 429 RQ1 status took 0s, final false",
			"call: attempt 3 waited 4s", "attempt 3: 200 RQ1  took 1s, final true",
			"call: done  after 3 attempts",
		}
		if !slices.Equal(d.Lines, want) {
			t.Errorf("got\n%s", strings.Join(d.Lines, "\n"))
		}
		first, second, all := d.Attempts[0], d.Attempts[1], d.Calls[0]
		if first.RetryIn < 200*time.Millisecond || first.RetryIn > 400*time.Millisecond || second.RetryIn != 4*time.Second || all.Duration != first.RetryIn+5*time.Second {
			t.Errorf("got %+v, %+v, %+v", first, second, all)
		}
	})
}

// CallDone of the facade is called after decoding. Generated code decodes later, so its CallDone
// has no decoding error.
func TestHooksOfUndecodableResponses(t *testing.T) {
	for body, want := range map[string]string{`{"sid":"BUbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}`: "decode", "<html>": "decode", apitest.Profile: ""} {
		var d apitest.Diary
		client := apitest.Over(t, apitest.CannedJSON(body), d.Hooks())
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		_, _ = client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid)
		if len(d.Calls) != 2 || string(d.Calls[0].Reason) != want || d.Calls[1].Reason != "" || d.Attempts[0].Reason != "" {
			t.Errorf("%s: got %+v", body, d.Calls)
		}
	}
}

// CallDone has the reason of a call that sent no request.
func TestHooksOfUnsentRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d apitest.Diary
		auth := trusthub.AuthFunc(func(*http.Request) error { return errors.New("no token") })
		client, err := trusthub.NewClient(auth, d.Hooks())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		ended, end := context.WithCancel(t.Context())
		end()
		_, _ = apitest.Over(t, apitest.RoundTripFunc(nil), d.Hooks()).FetchCustomerProfile(ended, sid)
		client = apitest.Over(t, apitest.Throttled("60"), d.Hooks())
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		_, _ = client.FetchCustomerProfile(t.Context(), "malformed")
		var got []string
		for _, info := range d.Calls {
			got = append(got, fmt.Sprint(info.Reason, " ", info.Attempts))
		}
		if want := []string{"auth 0", "canceled 0", "status 1", "status 0"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// Each Start is followed by its Done, also after a panic. Done has the data of the attempt.
func TestHooksOfAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d apitest.Diary
		client := apitest.Over(t, apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			panic("middleware")
		}), d.Hooks())
		func() {
			defer func() { _ = recover() }()
			_, _ = fetch(t.Context(), client)
		}()
		if len(d.Attempts) != 1 || d.Attempts[0].Reason != trusthub.ReasonPanic || !d.Attempts[0].Final || d.Attempts[0].Duration != time.Second ||
			len(d.Calls) != 1 || d.Calls[0].Reason != trusthub.ReasonPanic || d.Calls[0].Attempts != 1 {
			t.Errorf("got %+v, %+v", d.Attempts, d.Calls)
		}
	})
}

// When a batch fetches a SID again after an outage, this is the same call.
func TestHooksOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(10*time.Millisecond, func(after time.Duration, _ string) apitest.RoundTripFunc {
			if after < time.Minute {
				time.Sleep(time.Millisecond)
				return apitest.Unavailable()
			}
			return nil
		})
		var d apitest.Diary
		if n := apitest.Failed(apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults(), d.Hooks()), 20)); n > 0 {
			t.Errorf("%d lost", n)
		}
		finals, sent := 0, 0
		for _, info := range d.Attempts {
			if info.Final {
				finals++
			}
		}
		for _, info := range d.Calls {
			sent += info.Attempts
		}
		if len(d.Calls) != 20 || finals != 20 || sent != len(server.Sent()) || len(d.Attempts) != len(server.Sent()) {
			t.Errorf("%d calls, %d final attempts of %d, %d sent", len(d.Calls), finals, len(d.Attempts), len(server.Sent()))
		}
	})
}

// The values passed to hooks contain no SID, credential, header or body.
func TestHooksGetNoSecrets(t *testing.T) {
	body := `{"code":20404,"message":"The profile ` + sid + ` of secret@example.com"}`
	for name, reply := range map[string]apitest.RoundTripFunc{
		"status":  apitest.Canned(404, http.Header{"X-Secret": {"secret"}}, body),
		"decode":  apitest.CannedJSON(`{"email":["secret"]}`),
		"network": apitest.Broken(errors.New("secret " + sid)),
	} {
		var d apitest.Diary
		_, err := apitest.Over(t, reply, d.Hooks()).FetchCustomerProfile(t.Context(), sid)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			if text := fmt.Sprintf(verb+verb+verb+verb, d.Attempts, d.Calls, d.Attempts[0].Err, d.Calls[0].Err); strings.Contains(text, "secret") || strings.Contains(text, sid) || strings.Contains(text, trusthubtest.Password) {
				t.Errorf("%s: %s", name, text)
			}
		}
		var apiErr *trusthub.Error
		if name == "status" && (!errors.Is(d.Calls[0].Err, trusthub.ErrNotFound) || !errors.As(d.Calls[0].Err, &apiErr) ||
			apiErr.Code != 20404 || apiErr.Body != nil || apiErr.Message != "") || d.Calls[0].Err == nil || err == nil {
			t.Errorf("%s: got %v", name, d.Calls[0].Err)
		}
	}
}

// Hooks of several options are called in order. A nil hook is skipped, and a nil context ignored.
func TestHooksAddUp(t *testing.T) {
	var order []string
	named := func(name string) trusthub.Option {
		return trusthub.WithHooks(trusthub.Hooks{
			CallStart: func(context.Context, trusthub.CallInfo) context.Context { order = append(order, name); return nil },
			CallDone:  func(context.Context, trusthub.CallInfo) { order = append(order, name) },
		})
	}
	client := apitest.Over(t, apitest.OK(), named("a"), trusthub.WithHooks(trusthub.Hooks{}), named("b"))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || !slices.Equal(order, []string{"a", "b", "a", "b"}) {
		t.Errorf("got %v, %v", order, err)
	}
}

// Reason is the failure of the request, although the context ends later, while the call waits.
func TestReasonOfAnAttemptBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d apitest.Diary
		server := apitest.NewScene(0, func(_ time.Duration, sid string) apitest.RoundTripFunc {
			if apitest.Number(sid) == 0 {
				return apitest.After(10*time.Millisecond, apitest.Broken(&net.OpError{Op: "read", Err: errors.New("reset")}))
			}
			return apitest.After(time.Hour, apitest.OK())
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_ = apitest.FetchAll(ctx, t, apitest.Over(t, server, d.Hooks()), 2)
		synctest.Wait()
		broke := 0
		for _, info := range d.Attempts {
			if info.Duration == 10*time.Millisecond {
				broke++
				if info.Reason != trusthub.ReasonReset {
					t.Errorf("a connection broke after 10 ms, ctx ended after 10 s: %+v", info)
				}
			}
		}
		if broke == 0 {
			t.Errorf("no connection broke: %+v", d.Attempts)
		}
	})
}

// A request editor of the generated client may set an empty method, which means GET.
func TestEmptyMethod(t *testing.T) {
	var d apitest.Diary
	server := trusthubtest.NewHandler()
	client := apitest.Over(t, server, d.Hooks(), trusthub.WithMiddleware(contract.NewTransport))
	defer func() {
		if value := recover(); value != nil {
			t.Errorf("panic: %v", value)
		}
		if len(d.Calls) > 0 && d.Calls[0].Method != http.MethodGet {
			t.Errorf("hooks got the method %q", d.Calls[0].Method)
		}
	}()
	_, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid, func(_ context.Context, req *http.Request) error {
		req.Method = ""
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Each poll of a watch is a call.
func TestHooksOfAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d apitest.Diary
		s := apitest.NewScript(apitest.Answer(200, apitest.JSON, apitest.Profile))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		for range apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), d.Hooks()).WatchCustomerProfile(ctx, sid, time.Minute) {
			continue
		}
		if polls := s.Requests(); polls < 9 || len(d.Calls) != polls || len(d.Attempts) != polls {
			t.Errorf("%d calls and %d attempts in %d polls", len(d.Calls), len(d.Attempts), polls)
		}
	})
}

// The logger writes one record per attempt, with only the documented attributes.
func TestLogger(t *testing.T) {
	const secret = "hunter2"
	s := apitest.NewScript(
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		apitest.Answer(503, apitest.JSON, `{"message":"`+secret+`"}`),
		apitest.Answer(200, apitest.JSON, `{"email":"`+secret+`"}`),
	)
	var out bytes.Buffer
	client, err := trusthub.NewClient(trusthub.BasicAuth("AC1", secret), trusthub.WithBaseURL(apitest.Serve(t, s.ServeHTTP)),
		trusthub.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}),
		trusthub.WithRetry(trusthub.RetryPolicy{MinWait: time.Nanosecond, MaxWait: time.Nanosecond}),
		trusthub.WithLogger(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || strings.Contains(out.String(), secret) {
		t.Fatalf("got\n%s", out.String())
	}
	for i, want := range []struct {
		level, message          string
		status, reason, retryIn any
	}{
		{"WARN", "trusthub: request failed", nil, "reset", 1.},
		{"WARN", "trusthub: request failed", 503., "status", 1.},
		{"DEBUG", "trusthub: request answered", 200., nil, nil},
	} {
		var record map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &record); err != nil {
			t.Fatal(err)
		}
		if record["level"] != want.level || record["msg"] != want.message || record["status"] != want.status || record["attempt"] != float64(i+1) ||
			record["reason"] != want.reason || record["retry_in"] != want.retryIn || record["method"] != "GET" || record["path"] != "/v1/CustomerProfiles/"+sid || (record["request_id"] == "RQ1") != (want.status != nil) {
			t.Errorf("got %s", lines[i])
		}
		for key := range maps.Keys(record) {
			if !slices.Contains([]string{"time", "level", "msg", "method", "path", "attempt", "duration", "status", "request_id", "reason", "retry_in"}, key) {
				t.Errorf("%s is not on the list: %s", key, lines[i])
			}
		}
	}
}

func TestLoggerBelowItsLevel(t *testing.T) {
	var out bytes.Buffer
	client := apitest.At(t, apitest.Serve(t, apitest.Answer(200, apitest.JSON, apitest.Profile)), trusthub.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || out.Len() > 0 {
		t.Errorf("got %v, %s", err, out.String())
	}
}

// When a request could not be signed, the record does not contain the text of the error.
func TestLoggerOfUnsentRequests(t *testing.T) {
	var out bytes.Buffer
	client, err := trusthub.NewClient(trusthub.AuthFunc(func(*http.Request) error { return errors.New("secret") }),
		trusthub.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.FetchCustomerProfile(t.Context(), sid)
	if err == nil || !strings.Contains(out.String(), "reason=auth") || strings.Contains(out.String(), "secret") {
		t.Errorf("got %v, %s", err, out.String())
	}
}

// Errors log the attributes of their last attempt, and the number of attempts.
func TestErrorsLogTheirCall(t *testing.T) {
	for name, test := range map[string]struct {
		reply apitest.RoundTripFunc
		want  string
	}{
		"status":  {apitest.Canned(404, http.Header{"Twilio-Request-Id": {"RQ1"}}, `{"message":"secret"}`), "reason=status err.status=404 err.request_id=RQ1"},
		"garbage": {apitest.Canned(200, http.Header{"Twilio-Request-Id": {"RQ1"}}, "secret"), "reason=decode err.status=200 err.request_id=RQ1"},
		"network": {apitest.Broken(errors.New("secret")), "reason=other"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := apitest.Over(t, test.reply).FetchCustomerProfile(t.Context(), sid)
			var out bytes.Buffer
			slog.New(slog.NewTextHandler(&out, nil)).Info("m", "err", err)
			want := "err.method=GET err.path=/v1/CustomerProfiles/" + sid + " err.attempts=1 err." + test.want + "\n"
			if !strings.HasSuffix(out.String(), want) {
				t.Errorf("got %swant %s", out.String(), want)
			}
		})
	}
}

// A record has the duration as a slog duration.
func TestLoggedDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		client := apitest.Over(t, apitest.After(time.Second, apitest.OK()), trusthub.WithLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		if !strings.Contains(out.String(), " duration=1s ") {
			t.Errorf("got %s", out.String())
		}
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(apitest.Answer(503, apitest.Text, ""), apitest.Throttle("5"), func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Second)
			apitest.Answer(200, apitest.JSON, apitest.Profile)(w, r)
		})
		client := apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithMaxConcurrency(2))
		expectStats(t, client, trusthub.Stats{Limit: 2, RetriesLeft: 100})
		for range 3 {
			go func() { _, _ = fetch(t.Context(), client) }()
			synctest.Wait()
		}
		expectStats(t, client, trusthub.Stats{Limit: 1.6, Waiting: 2, RetriesLeft: 98, Paused: 5 * time.Second, FailingSince: time.Now()})
		failed := time.Now()
		time.Sleep(6 * time.Second)
		expectStats(t, client, trusthub.Stats{Limit: 1.6, InFlight: 1, Waiting: 2, RetriesLeft: 98, FailingSince: failed})
		time.Sleep(time.Minute)
		if got := client.Stats(); got.InFlight != 0 || got.Waiting != 0 || got.RetriesLeft != 98 {
			t.Errorf("got %+v", got)
		}
	})
}

// Stats counts a 404 from Twilio as a success, and a 404 from a gateway as a failure.
func TestStatsOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		twilios := http.Header{"Twilio-Request-Id": {"RQ1"}}
		reply := apitest.Canned(404, twilios, "")
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) { return reply(req) }))
		var lastSuccess time.Time
		for i, test := range []struct {
			reply   apitest.RoundTripFunc
			success bool
		}{
			{apitest.Canned(404, twilios, ""), true},
			{apitest.Canned(404, nil, ""), false},
			{apitest.Canned(503, twilios, ""), false},
			{apitest.Canned(401, twilios, ""), false},
			{apitest.Canned(200, http.Header{"Content-Type": {apitest.JSON}}, apitest.Profile), true},
			{apitest.Canned(200, nil, "<html>"), false},
		} {
			time.Sleep(time.Second)
			reply = test.reply
			before := client.Stats()
			_, _ = client.FetchCustomerProfile(t.Context(), sid)
			failingSince := before.FailingSince
			switch {
			case test.success:
				lastSuccess, failingSince = time.Now(), time.Time{}
			case failingSince.IsZero():
				failingSince = time.Now()
			}
			if got := client.Stats(); got.LastSuccess != lastSuccess || got.FailingSince != failingSince {
				t.Errorf("%d: got %+v", i, got)
			}
		}
	})
}

// Stats includes a running batch, for a client without a bound.
func TestStatsOfBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(time.Second, func(after time.Duration, _ string) apitest.RoundTripFunc {
			if after > 10*time.Second {
				return apitest.Unavailable()
			}
			return nil
		})
		client := apitest.Over(t, server, apitest.Defaults())
		expectStats(t, client, trusthub.Stats{RetriesLeft: 100})
		go func() {
			for range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(1000, new(atomic.Int64))) {
				continue
			}
		}()
		time.Sleep(9500 * time.Millisecond)
		if got := client.Stats(); got.Limit != 16 || got.InFlight != 16 || got.Waiting != 17 || got.Holding {
			t.Errorf("running: got %+v", got)
		}
		time.Sleep(20 * time.Second)
		if got := client.Stats(); got.Limit != 16 || got.InFlight > 1 || got.Waiting < 16 || !got.Holding {
			t.Errorf("in an outage: got %+v", got)
		}
		time.Sleep(time.Hour)
		if got := client.Stats(); got.Limit != 0 || got.Waiting != 0 || got.Holding {
			t.Errorf("ended: got %+v", got)
		}
	})
}

func expectStats(t *testing.T, client *trusthub.Client, want trusthub.Stats) {
	t.Helper()
	if got := client.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Stats is safe to call from a log handler. The test runs in real time, because synctest does not
// detect a wait for a mutex.
func TestStatsFromTheLogger(t *testing.T) {
	var client *trusthub.Client
	logger := slog.New(statsHandler{slog.NewTextHandler(new(bytes.Buffer), nil), func() { client.Stats() }})
	var sent atomic.Int64
	client = apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if sent.Add(1) < 20 {
			return apitest.Unavailable()(req)
		}
		return apitest.OK()(req)
	}), trusthub.WithLogger(logger), trusthub.WithRetry(trusthub.RetryPolicy{MinWait: time.Millisecond, MaxWait: 2 * time.Millisecond}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range client.FetchCustomerProfiles(context.Background(), apitest.Numbered(20, new(atomic.Int64))) {
			continue
		}
	}()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Fatalf("the batch and Stats are blocked after %d requests", sent.Load())
	}
}

// statsHandler is a slog.Handler that calls Stats for each record.
type statsHandler struct {
	slog.Handler
	stats func()
}

func (h statsHandler) Handle(ctx context.Context, r slog.Record) error {
	h.stats()
	return h.Handler.Handle(ctx, r)
}
