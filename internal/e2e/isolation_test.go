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
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// details is an error of a program. It is not comparable.
type details struct {
	why []string
	err error
}

func (d details) Error() string { return strings.Join(d.why, " ") + ": " + d.err.Error() }
func (d details) Unwrap() error { return d.err }

// notFound is the error of a call with a 404 from Twilio.
func notFound(t *testing.T) error {
	t.Helper()
	_, err := apitest.Over(t, trusthubtest.NewHandler()).FetchCustomerProfile(t.Context(), apitest.UnknownSID)
	if !errors.Is(err, trusthub.ErrNotFound) {
		t.Fatal(err)
	}
	return err
}

// checkForeign checks that an error has the text of another call's error, but does not match it.
func checkForeign(t *testing.T, err error) {
	t.Helper()
	var apiErr *trusthub.Error
	if errors.Is(err, trusthub.ErrNotFound) || errors.As(err, &apiErr) || !strings.Contains(fmt.Sprint(err), "20404") {
		t.Errorf("got %v, %v", err, apiErr)
	}
	var mine details
	if !errors.As(err, &mine) || mine.why[0] != "first" {
		t.Errorf("the error of the program is missing: %v", err)
	}
}

// The error of another call can be the cause of the context, as with errgroup. It is not the error
// of this call.
func TestErrorOfAnotherCallAsCause(t *testing.T) {
	cause := details{[]string{"first"}, notFound(t)}
	synctest.Test(t, func(t *testing.T) {
		hang := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, context.Cause(req.Context())
		})
		for name, reply := range map[string]apitest.RoundTripFunc{"in the transport": hang, "between attempts": apitest.Canned(503, http.Header{"Retry-After": {"9"}}, "")} {
			var d apitest.Diary
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			_, err := fetch(ctx, apitest.Over(t, reply, d.Hooks(), apitest.Defaults()))
			if name == "in the transport" {
				checkForeign(t, err)
			}
			if !errors.Is(err, context.Canceled) || errors.Is(err, trusthub.ErrNotFound) || trusthub.IsRetryable(err) || d.Calls[0].Reason != trusthub.ReasonCanceled {
				t.Errorf("%s: got %v, %+v", name, err, d.Calls)
			}
			if last := d.Attempts[len(d.Attempts)-1]; errors.Is(last.Err, trusthub.ErrNotFound) || name == "in the transport" && last.Reason != trusthub.ReasonCanceled {
				t.Errorf("%s: got %+v", name, last)
			}
		}
	})
}

// The same holds for a call that waits for a slot, also in a batch.
func TestErrorOfAnotherCallAsCauseOfAWait(t *testing.T) {
	for name, cause := range map[string]error{"wrapped": details{[]string{"first"}, notFound(t)}, "as it is": notFound(t)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					<-req.Context().Done()
					return nil, context.Cause(req.Context())
				})
				client := apitest.Over(t, hang, apitest.Defaults(), trusthub.WithMaxConcurrency(1))
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(cause) })
				var errs []error
				for result := range client.FetchCustomerProfiles(ctx, slices.Values([]string{sid, apitest.UnknownSID, apitest.EmptySID})) {
					errs = append(errs, result.Err)
				}
				for _, err := range errs {
					var apiErr *trusthub.Error
					if !errors.Is(err, context.Canceled) || errors.Is(err, trusthub.ErrNotFound) || errors.As(err, &apiErr) || !strings.Contains(err.Error(), "20404") {
						t.Errorf("got %v", err)
					}
				}
				if len(errs) != 3 {
					t.Errorf("%d results", len(errs))
				}
			})
		})
	}
}

// The same holds for a named error as the cause.
func TestNamedErrorAsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("first: %w", trusthub.ErrNotFound))
	_, err := apitest.Over(t, trusthubtest.NewHandler()).FetchCustomerProfile(ctx, sid)
	if !errors.Is(err, context.Canceled) || errors.Is(err, trusthub.ErrNotFound) || !strings.Contains(err.Error(), "first") {
		t.Errorf("got %v", err)
	}
}

func TestErrorOfAnotherCallInAuthAndMiddleware(t *testing.T) {
	foreign := details{[]string{"first"}, fmt.Errorf("token: %w", errors.Join(errors.New("x"), notFound(t)))}
	synctest.Test(t, func(t *testing.T) {
		auth := trusthub.AuthFunc(func(*http.Request) error { return foreign })
		_, unsigned := apitest.Client(t, auth, apitest.Broken(nil)).FetchCustomerProfile(t.Context(), sid)
		checkForeign(t, unsigned)
		_, unsent := apitest.Over(t, apitest.Broken(foreign), apitest.Defaults()).FetchCustomerProfile(t.Context(), sid)
		checkForeign(t, unsent)
		for _, result := range apitest.FetchAll(t.Context(), t, apitest.Over(t, apitest.Broken(foreign), apitest.Defaults()), 2) {
			checkForeign(t, result.Err)
		}
	})
}
