package trusthubotel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubotel"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const (
	operation = "GET /v1/CustomerProfiles/{Sid}"
	server    = "server.address=trusthub.twilio.com server.port=443 "
	target    = server + "url.scheme=https url.template=/v1/CustomerProfiles/{Sid}"
)

// A call with a 429, a truncated response and a success has these spans and metrics.
func TestFetchAfterRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.Fail(trusthubtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"4"}}}, trusthubtest.Fault{Truncate: true}, trusthubtest.Fault{Delay: time.Second})
		o := newObserver()
		client := apitest.Over(t, fake, o.hooks(), apitest.Defaults())
		ctx, parent := o.tracers.Tracer("test").Start(t.Context(), "audit")
		if _, err := client.FetchCustomerProfile(ctx, sid); err != nil {
			t.Fatal(err)
		}
		parent.End()

		call := ` in "trusthub ` + operation + `", client, `
		id := "http.response.header.twilio-request-id=[\"RQ%032x\"] "
		expect(t, "spans", o.spans(), []string{
			operation + call + `Error "": error.type=429 http.request.method=GET ` + fmt.Sprintf(id, 1) +
				"http.response.status_code=429 " + server + "trusthub.waited=0 url.scheme=https url.template=/v1/CustomerProfiles/{Sid}",
			operation + call + `Error "trusthub: torn": error.type=torn http.request.method=GET http.request.resend_count=1 ` + fmt.Sprintf(id, 2) +
				"http.response.status_code=200 " + server + "trusthub.waited=4 url.scheme=https url.template=/v1/CustomerProfiles/{Sid}",
			operation + call + `Unset "": http.request.method=GET http.request.resend_count=2 ` + fmt.Sprintf(id, 3) +
				"http.response.status_code=200 " + server + "trusthub.waited=0 url.scheme=https url.template=/v1/CustomerProfiles/{Sid}",
			"trusthub " + operation + ` in "audit", internal, Unset "": ` + server + "trusthub.attempts=3 url.scheme=https url.template=/v1/CustomerProfiles/{Sid}",
			`audit in "", internal, Unset "": `,
		})
		metrics := o.metrics(t)
		expect(t, "requests", metrics["http.client.request.duration"], []string{
			"1 of 0s: error.type=429 http.request.method=GET http.response.status_code=429 " + target,
			"1 of 0s: error.type=torn http.request.method=GET http.response.status_code=200 " + target,
			"1 of 1s: http.request.method=GET http.response.status_code=200 " + target,
		})
		expect(t, "waits", metrics["trusthub.client.request.wait"], []string{"3 of 4s: http.request.method=GET " + target})
		expect(t, "attempts", metrics["trusthub.client.call.attempts"], []string{"1 of 3{request}: http.request.method=GET " + target})
		if got := metrics["trusthub.client.call.duration"]; len(got) != 1 || !strings.HasPrefix(got[0], "1 of 5.") {
			t.Errorf("calls: got %q", got)
		}
	})
}

// The error.type of a failed call is the status as a number, or else the reason.
func TestErrorTypes(t *testing.T) {
	for want, test := range map[string]struct {
		fault   trusthubtest.Fault
		attempt string // "-": the request is no error
	}{
		"404":      {fault: trusthubtest.Fault{Status: 404}},
		"503":      {fault: trusthubtest.Fault{Status: 503}},
		"torn":     {fault: trusthubtest.Fault{Truncate: true}},
		"reset":    {fault: trusthubtest.Fault{Reset: true}},
		"decode":   {fault: trusthubtest.Fault{Body: "<html>"}, attempt: "-"},
		"timeout":  {fault: trusthubtest.Fault{Delay: time.Minute}},
		"canceled": {fault: trusthubtest.Fault{Delay: 10 * time.Second}},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := trusthubtest.NewHandler()
				fake.Fail(test.fault)
				o := newObserver()
				client := apitest.Over(t, fake, o.hooks())
				ctx, cancel := context.WithCancel(t.Context())
				if want == "canceled" {
					time.AfterFunc(time.Second, cancel)
				}
				defer cancel()
				if _, err := client.FetchCustomerProfile(ctx, sid); err == nil {
					t.Fatal("no error")
				}
				ended, metrics := o.spans(), o.metrics(t)
				for what, line := range map[string]string{
					"span of the call": ended[1], "duration of the call": metrics["trusthub.client.call.duration"][0],
					"attempts of the call": metrics["trusthub.client.call.attempts"][0],
				} {
					if !strings.Contains(line, ": error.type="+want+" ") {
						t.Errorf("%s: %s", what, line)
					}
				}
				for what, line := range map[string]string{"span of the request": ended[0], "duration of the request": metrics["http.client.request.duration"][0]} {
					if strings.Contains(line, ": error.type="+want+" ") == (test.attempt == "-") {
						t.Errorf("%s: %s", what, line)
					}
				}
				if strings.Contains(ended[0], ", Error ") == (test.attempt == "-") || !strings.Contains(ended[1], ", Error ") {
					t.Errorf("statuses: %q", ended)
				}
			})
		})
	}
}

// A call that fails without a request is measured.
func TestCallWithoutARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.Fail(trusthubtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"60"}}})
		o := newObserver()
		client := apitest.Over(t, fake, o.hooks())
		for range 2 { // the second fails at once because of the pause
			_, _ = client.FetchCustomerProfile(t.Context(), sid)
		}
		expect(t, "attempts", o.metrics(t)["trusthub.client.call.attempts"], []string{"2 of 1{request}: error.type=429 http.request.method=GET " + target})
	})
}

// When the context ends after a failure, the error.type is deadline.
func TestCallEndedByDeadlineAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.Fail(trusthubtest.Fault{Status: 503})
		o := newObserver()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := apitest.Over(t, fake, o.hooks(), apitest.Defaults()).FetchCustomerProfile(ctx, sid); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		expect(t, "attempts", o.metrics(t)["trusthub.client.call.attempts"], []string{"1 of 1{request}: error.type=deadline http.request.method=GET " + target})
	})
}

// Spans end after a panic of middleware.
func TestPanic(t *testing.T) {
	o := newObserver()
	client := apitest.Over(t, apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { panic("middleware") }), o.hooks())
	func() {
		defer func() { _ = recover() }()
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
	}()
	if got := o.spans(); len(got) != 2 || !strings.Contains(got[0], "error.type=panic") || !strings.Contains(got[1], "error.type=panic") {
		t.Errorf("got %q", got)
	}
}

// A span that another hook starts is not ended by our hooks. If another hook drops the context,
// only the spans of this attempt are missing.
func TestOtherHooks(t *testing.T) {
	first, second, other := newObserver(), newObserver(), newObserver()
	tracer := other.tracers.Tracer("other")
	drop := false
	client := apitest.Over(t, trusthubtest.NewHandler(), first.hooks(), second.hooks(), trusthub.WithHooks(trusthub.Hooks{
		AttemptStart: func(ctx context.Context, _ trusthub.AttemptInfo) context.Context {
			if drop {
				return context.Background()
			}
			ctx, _ = tracer.Start(ctx, "left open")
			return ctx
		},
	}))
	for _, drop = range []bool{false, true} {
		if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
			t.Fatal(err)
		}
	}
	if len(first.spans()) != 3 || len(second.spans()) != 3 || len(other.spans()) != 0 {
		t.Errorf("got %q, %q, %q", first.spans(), second.spans(), other.spans())
	}
}

// The server.address is the host of the base URL. WithAttributes adds attributes to all spans and
// metrics.
func TestTargets(t *testing.T) {
	for url, want := range map[string]string{
		"https://trusthub.dublin.ie1.twilio.com": "server.address=trusthub.dublin.ie1.twilio.com server.port=443 url.scheme=https ",
		"http://127.0.0.1":                       "server.address=127.0.0.1 server.port=80 url.scheme=http ",
		"http://[::1]:8080":                      "server.address=::1 server.port=8080 url.scheme=http ",
	} {
		o := newObserver()
		client := apitest.Over(t, trusthubtest.NewHandler(), o.hooks(trusthubotel.WithAttributes(attribute.String("account", "a"))), trusthub.WithBaseURL(url))
		if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
			t.Fatal(err)
		}
		lines := o.spans()
		for _, points := range o.metrics(t) {
			lines = append(lines, points...)
		}
		for _, line := range lines {
			for attribute := range strings.FieldsSeq(want + "account=a") {
				if len(lines) != 6 || !strings.Contains(line+" ", " "+attribute+" ") {
					t.Errorf("%s: %s is not in %s", url, attribute, line)
				}
			}
		}
	}
}

// No SID or credential is recorded, and no trace context is sent.
func TestNoSecretIsRecorded(t *testing.T) {
	fake := trusthubtest.NewHandler()
	fake.Fail(trusthubtest.Fault{Status: 404, Body: `{"code":20404,"message":"no ` + sid + ` of secret@example.com"}`},
		trusthubtest.Fault{Body: `{"email":["secret"]}`}, trusthubtest.Fault{})
	before := otel.GetTextMapPropagator()
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Cleanup(func() { otel.SetTextMapPropagator(before) })
	o := newObserver()
	client := apitest.Over(t, fake, o.hooks())
	for range 3 {
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
	}
	all := fmt.Sprint(o.spans(), o.metrics(t))
	for _, secret := range []string{sid, "secret", trusthubtest.Password, trusthubtest.Username} {
		if len(o.spans()) != 6 || strings.Contains(all, secret) {
			t.Errorf("%s is in %s", secret, all)
		}
	}
	for _, request := range fake.Requests() {
		if len(request.Header["Traceparent"]) > 0 {
			t.Errorf("sent %v", request.Header)
		}
	}
}

// Callbacks are counted by status and reason, with the attributes of the program and none of the
// request.
func TestCallbacks(t *testing.T) {
	const token, url = "an auth token", "https://app.example.com"
	o := newObserver()
	client := apitest.Over(t, trusthubtest.NewHandler(), o.hooks())
	handler, err := client.CallbackHandler(trusthub.CallbackConfig{
		PublicURL: url, Keys: []trusthub.SigningKey{trusthub.AuthToken(token)},
		Handle: func(context.Context, *trusthub.CustomerProfile, trusthub.CallbackEvent) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, signed := range []string{"", "", "/other", "/" + sid} {
		r := httptest.NewRequest(http.MethodPost, "/"+sid, nil)
		if signed != "" {
			trusthubtest.SignCallbackWith(r, url+signed, trusthub.AuthToken(token))
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	var got []string
	for _, line := range o.metrics(t)["trusthub.callback.duration"] {
		count, _, _ := strings.Cut(line, " of ")
		_, attributes, _ := strings.Cut(line, ": ")
		got = append(got, count+": "+attributes)
	}
	slices.Sort(got)
	expect(t, "callbacks", got, []string{
		"1: error.type=signature http.response.status_code=403", "1: http.response.status_code=204", "2: error.type=no_signature http.response.status_code=403",
	})
}
