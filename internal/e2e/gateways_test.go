package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/internal/gatewaytest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// overGateways runs a test in a bubble with each response of a gateway. Further ones are tested
// with the command.
func overGateways(t *testing.T, test func(*testing.T, trusthubtest.Fault)) {
	t.Helper()
	for name, fault := range gatewaytest.Gateways() {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, fault) }) })
	}
}

// isRetried reports whether a single call makes another attempt.
func isRetried(status int) bool {
	return status == 429 || status == 500 || status == 502 || status == 503 || status == 504
}

// isNamed reports whether an error is one of the named errors for Twilio's statuses.
func isNamed(err error) bool {
	return errors.Is(err, trusthub.ErrUnauthorized) || errors.Is(err, trusthub.ErrForbidden) || errors.Is(err, trusthub.ErrNotFound) ||
		errors.Is(err, trusthub.ErrTooManyRequests)
}

func TestGatewaysInACall(t *testing.T) {
	overGateways(t, func(t *testing.T, fault trusthubtest.Fault) {
		fake := trusthubtest.NewHandler()
		fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) { return fault, true })
		var d apitest.Diary
		profile, err := apitest.Over(t, fake, d.Hooks(), apitest.Defaults()).FetchCustomerProfile(t.Context(), sid)
		apiErr, failed := errors.AsType[*trusthub.Error](err)
		_, undecoded := errors.AsType[*trusthub.DecodeError](err)
		attempts, reason := 1, trusthub.ReasonGateway
		if isRetried(fault.Status) {
			attempts = 3
		}
		if fault.Status == 200 {
			reason = trusthub.ReasonDecode
		}
		switch {
		case profile != nil, isNamed(err), !trusthub.IsRetryable(err), len(d.Attempts) != attempts, d.Calls[0].Reason != reason, len(err.Error()) >= 500:
			t.Errorf("got %v after %d attempts, reason %s", err, len(d.Attempts), d.Calls[0].Reason)
		case undecoded && fault.Status == 200:
		case !failed || apiErr.FromTwilio() || !strings.Contains(err.Error(), "not from Twilio") || d.Attempts[0].Reason != reason:
			t.Errorf("got %v", err)
		}
	})
}

// Responses of a gateway for a minute delay a batch by about a minute. No profile is lost, also
// when all earlier responses were the gateway's.
func TestGatewaysInABatch(t *testing.T) {
	t.Parallel()
	overGateways(t, func(t *testing.T, fault trusthubtest.Fault) {
		for _, from := range []time.Duration{0, 2 * time.Second} {
			fake := trusthubtest.NewHandler()
			fake.Delay(100 * time.Millisecond)
			var sids []string
			for i := range 500 {
				sids = append(sids, fmt.Sprintf("BU%032x", i))
				fake.Put(trusthub.CustomerProfile{SID: sids[i]})
			}
			start := time.Now()
			fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) {
				since := time.Since(start)
				return fault, since >= from && since < from+50*time.Second
			})
			came := 0
			for result := range apitest.Over(t, fake, apitest.Defaults()).FetchCustomerProfiles(t.Context(), slices.Values(sids)) {
				if result.Err != nil {
					t.Fatalf("from %v: %s: %v", from, result.SID, result.Err)
				}
				came++
			}
			if took := time.Since(start); came != len(sids) || took > from+2*time.Minute {
				t.Errorf("from %v: %d came in %v", from, came, took)
			}
		}
	})
}

// A gateway's page is yielded as an error. The watch continues and yields the change.
func TestGatewaysInAWatch(t *testing.T) {
	overGateways(t, func(t *testing.T, fault trusthubtest.Fault) {
		fake := trusthubtest.NewHandler()
		start := time.Now()
		fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) {
			since := time.Since(start)
			return fault, since > time.Hour && since < 10*time.Hour
		})
		time.AfterFunc(5*time.Hour, func() { fake.Put(trusthub.CustomerProfile{SID: sid, Status: trusthub.StatusTwilioApproved}) })
		errs := 0
		for profile, err := range apitest.Over(t, fake, apitest.Defaults()).WatchCustomerProfile(t.Context(), sid, time.Hour) {
			if err != nil {
				errs++
				continue
			}
			if profile.Status == trusthub.StatusTwilioApproved {
				break
			}
		}
		if took := time.Since(start); errs < 5 || took > 12*time.Hour {
			t.Errorf("%d errors, seen after %v", errs, took)
		}
	})
}

// A gateway's response is no violation if it is not JSON. It is never a violation by Twilio.
func TestGatewaysAndTheContract(t *testing.T) {
	overGateways(t, func(t *testing.T, fault trusthubtest.Fault) {
		fake := trusthubtest.NewHandler()
		fake.Fail(fault)
		var violations []*contract.Violation
		observe := contract.Observe(func(v *contract.Violation) { violations = append(violations, v) })
		_, _ = apitest.Over(t, fake, trusthub.WithMiddleware(observe)).FetchCustomerProfile(t.Context(), sid)
		isJSON := strings.Contains(fault.Header.Get("Content-Type"), "json")
		for _, v := range violations {
			if v.FromTwilio() || !isJSON && fault.Status != 200 {
				t.Error(v)
			}
		}
	})
}

// Twilio's errors are detected without its header. They have a message, and match the named error
// of their status.
func TestErrorsOfTwilio(t *testing.T) {
	named := map[int]error{
		401: trusthub.ErrUnauthorized, 403: trusthub.ErrForbidden, 404: trusthub.ErrNotFound, 429: trusthub.ErrTooManyRequests,
	}
	for name, fault := range gatewaytest.Twilios() {
		t.Run(name, func(t *testing.T) {
			fake := trusthubtest.NewHandler()
			fake.Fail(fault)
			var d apitest.Diary
			_, err := apitest.Over(t, fake, d.Hooks()).FetchCustomerProfile(t.Context(), sid)
			apiErr, ok := errors.AsType[*trusthub.Error](err)
			switch target := named[fault.Status]; {
			case !ok || !apiErr.FromTwilio() || apiErr.Message == "" || d.Calls[0].Reason != trusthub.ReasonStatus:
				t.Errorf("got %#v", apiErr)
			case target != nil && !errors.Is(err, target), target != nil && !errors.Is(d.Calls[0].Err, target):
				t.Errorf("got %v", err)
			case !strings.Contains(err.Error(), apiErr.Message):
				t.Errorf("text %s", err)
			}
		})
	}
}

// A 403 from Twilio applies to its SID and is not an outage.
func TestForbiddenInABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) { return trusthubtest.Fault{Status: 403}, true })
		for result := range apitest.Over(t, fake, apitest.Defaults()).FetchCustomerProfiles(context.Background(), slices.Values([]string{sid, apitest.UnknownSID})) {
			if !errors.Is(result.Err, trusthub.ErrForbidden) || errors.Is(result.Err, trusthub.ErrOutage) {
				t.Errorf("got %v", result.Err)
			}
		}
	})
}
