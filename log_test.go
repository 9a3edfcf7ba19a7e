package trusthub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// One record an attempt, of the listed attributes and nothing else.
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

func TestLoggerBelowItsLevelIsSilent(t *testing.T) {
	var out bytes.Buffer
	client := apitest.At(t, apitest.Serve(t, apitest.Answer(200, apitest.JSON, apitest.Profile)), trusthub.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || out.Len() > 0 {
		t.Errorf("got %v, %s", err, out.String())
	}
}

// A request that could not be signed is logged without what its error says.
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

// Errors log what the records of their attempts do, and how many there were.
func TestErrorsLogTheirCall(t *testing.T) {
	for name, test := range map[string]struct {
		reply apitest.RoundTripFunc
		want  string
	}{
		"refusal": {apitest.Canned(404, http.Header{"Twilio-Request-Id": {"RQ1"}}, `{"message":"secret"}`), "reason=status err.status=404 err.request_id=RQ1"},
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

// The duration is in the record, as what it is.
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
