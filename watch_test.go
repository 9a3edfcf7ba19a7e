package trusthub_test

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

// A watch over ten days yields the profile once, and then each change.
func TestWatchYieldsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := trusthubtest.NewHandler()
		client := apitest.Over(t, fake)
		ctx, cancel := context.WithTimeout(t.Context(), 10*24*time.Hour)
		defer cancel()
		profile := trusthub.CustomerProfile{SID: sid, Status: trusthub.StatusPendingReview}
		fake.Put(profile)
		for day, status := range []trusthub.CustomerProfileStatus{trusthub.StatusInReview, trusthub.StatusInReview, trusthub.StatusTwilioApproved} {
			time.AfterFunc(time.Duration(day+1)*24*time.Hour, func() {
				profile.Status = status
				fake.Put(profile)
			})
		}
		time.AfterFunc(5*24*time.Hour, func() {
			until := time.Now()
			profile.ValidUntil = &until
			fake.Put(profile)
		})
		start := time.Now()
		var got []string
		for profile, err := range client.WatchCustomerProfile(ctx, sid, time.Hour) {
			if err != nil {
				got = append(got, err.Error())
				continue
			}
			got = append(got, fmt.Sprintf("day %d %s %v", time.Since(start)/(24*time.Hour), profile.Status, profile.ValidUntil != nil))
		}
		want := []string{
			"day 0 pending-review false", "day 1 in-review false", "day 3 twilio-approved false", "day 5 twilio-approved true",
			"context deadline exceeded",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		if polls := len(fake.Requests()); polls < 235 || polls > 245 {
			t.Errorf("%d polls in 240 hours", polls)
		}
	})
}

// A change of any documented attribute is yielded. Null, empty and undocumented values are no
// change.
func TestWatchComparesDocumentedAttributes(t *testing.T) {
	base := `{"sid":null,"status":"draft","email":"a","links":null,"errors":null}`
	for name, test := range map[string]struct {
		body    string
		changed bool
	}{
		"same":         {base, false},
		"empty":        {`{"status":"draft","email":"a","links":{},"errors":[],"friendly_name":""}`, false},
		"undocumented": {`{"status":"draft","email":"a","new":1}`, false},
		"status":       {`{"status":"on-hold","email":"a"}`, true},
		"email":        {`{"status":"draft","email":"b"}`, true},
		"email gone":   {`{"status":"draft"}`, true},
		"date":         {`{"status":"draft","email":"a","date_updated":"2019-07-31T01:09:00Z"}`, true},
		"link":         {`{"status":"draft","email":"a","links":{"a":"https://a"}}`, true},
		"rejection":    {`{"status":"draft","email":"a","errors":[{"code":1}]}`, true},
		"odd item":     {`{"status":"draft","email":"a","errors":[null]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := apitest.NewScript(apitest.Answer(200, apitest.JSON, base), apitest.Answer(200, apitest.JSON, test.body))
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				profiles := 0
				for profile := range apitest.Over(t, apitest.InMemory(t, s.ServeHTTP)).WatchCustomerProfile(ctx, sid, time.Minute) {
					if profile != nil {
						profiles++
					}
				}
				if (profiles == 2) != test.changed || profiles < 1 {
					t.Errorf("%d profiles", profiles)
				}
			})
		})
	}
}

// A change in an error item of any shape is a change of the profile. Another notation of the same
// code is not.
func TestWatchSeesChangesOfOddErrorItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handlers []http.HandlerFunc
		for _, item := range []string{`18601`, `"18601"`, `{"code":18601.0}`, `"b"`, `["b"]`, `["b","c"]`, `null`, `{"a":9007199254740992}`, `{"a":9007199254740993}`} {
			handlers = append(handlers, apitest.Answer(200, apitest.JSON, `{"errors":[`+item+`]}`))
		}
		s := apitest.NewScript(handlers...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		changes := 0
		for profile := range apitest.Over(t, apitest.InMemory(t, s.ServeHTTP)).WatchCustomerProfile(ctx, sid, time.Minute) {
			if profile != nil {
				changes++
			}
		}
		if changes != 7 {
			t.Errorf("%d changes", changes)
		}
	})
}

// Poll intervals are spread by 10%, so that many watches do not poll at the same time.
func TestWatchSpreadsItsIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewScript(apitest.Answer(200, apitest.JSON, apitest.Profile))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Minute)
		defer cancel()
		for range apitest.Over(t, apitest.InMemory(t, s.ServeHTTP)).WatchCustomerProfile(ctx, sid, time.Minute) {
		}
		seen := make(map[time.Duration]bool)
		for _, wait := range s.Waits() {
			seen[wait] = true
			if wait < 54*time.Second || wait > 66*time.Second {
				t.Errorf("waited %v", wait)
			}
		}
		if len(seen) < 50 {
			t.Errorf("%d different waits", len(seen))
		}
	})
}

// A temporary error is yielded after the retries, and the watch continues.
func TestWatchContinuesAfterTemporaryErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, html, good := apitest.Answer(503, apitest.Text, ""), apitest.Answer(200, "text/html", "<html>"), apitest.Answer(200, apitest.JSON, `{"status":"draft"}`)
		maintenance := apitest.Answer(200, apitest.JSON, `{"code":20500,"message":"maintenance"}`)
		s := apitest.NewScript(down, down, down, html, good, maintenance, good, down, good, down, down, down, good)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var got []string
		for profile, err := range apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()).WatchCustomerProfile(ctx, sid, time.Minute) {
			var apiErr *trusthub.Error
			var decodeErr *trusthub.DecodeError
			switch {
			case errors.As(err, &apiErr):
				got = append(got, fmt.Sprint(apiErr.StatusCode))
			case errors.As(err, &decodeErr):
				got = append(got, "no profile")
			case err != nil:
				got = append(got, "end")
			default:
				got = append(got, string(profile.Status))
			}
		}
		if want := "503, no profile, draft, no profile, 503, end"; strings.Join(got, ", ") != want {
			t.Errorf("got %q", got)
		}
	})
}

// A final error is yielded once and ends the watch.
func TestWatchEndsWithFinalErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for status, want := range map[int]error{401: trusthub.ErrUnauthorized, 403: trusthub.ErrForbidden, 404: trusthub.ErrNotFound} {
			client := apitest.Over(t, apitest.InMemory(t, apitest.Answer(status, apitest.JSON, apitest.Profile)))
			expectOnce(t, client.WatchCustomerProfile(t.Context(), sid, time.Minute), func(err error) bool { return errors.Is(err, want) })
		}
		client := apitest.Over(t, apitest.RoundTripFunc(nil))
		expectOnce(t, client.WatchCustomerProfile(t.Context(), "BU1", time.Minute), func(err error) bool { return errors.Is(err, trusthub.ErrInvalidSID) })
		for _, every := range []time.Duration{0, -time.Second} {
			expectOnce(t, client.WatchCustomerProfile(t.Context(), sid, every), func(err error) bool { return strings.Contains(err.Error(), "not positive") })
		}
		ended, end := context.WithCancel(t.Context())
		end()
		expectOnce(t, client.WatchCustomerProfile(ended, sid, time.Minute), func(err error) bool { return errors.Is(err, context.Canceled) })

		hang := apitest.InMemory(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ending, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		expectOnce(t, apitest.Over(t, hang).WatchCustomerProfile(ending, sid, time.Minute), func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
	})
}

func TestWatchLeftEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for range apitest.Over(t, apitest.InMemory(t, apitest.Answer(200, apitest.JSON, apitest.Profile))).WatchCustomerProfile(t.Context(), sid, time.Minute) {
			break
		}
		for range apitest.Over(t, apitest.InMemory(t, apitest.Answer(500, apitest.JSON, "{}"))).WatchCustomerProfile(t.Context(), sid, time.Minute) {
			break
		}
		if time.Since(start) != 0 {
			t.Errorf("took %v", time.Since(start))
		}
	})
}

// A watch waits for a Retry-After that is longer than its interval.
func TestWatchWaitsForRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{429, 503} {
			s := apitest.NewScript(apitest.Asking(status, "3600"), apitest.Answer(200, apitest.JSON, apitest.Profile))
			ctx, cancel := context.WithTimeout(t.Context(), 59*time.Minute)
			for _, err := range apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults()).WatchCustomerProfile(ctx, sid, 10*time.Second) {
				if err == nil {
					t.Error("got a profile")
				}
			}
			cancel()
			if s.Requests() != 1 {
				t.Errorf("%d: %d requests", status, s.Requests())
			}
		}
	})
}

func TestWatchTakesAnyInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, every := range []time.Duration{1, 1<<63 - 1} {
			s := apitest.NewScript(apitest.Answer(200, apitest.JSON, apitest.Profile))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Nanosecond)
			for range apitest.Over(t, apitest.InMemory(t, s.ServeHTTP)).WatchCustomerProfile(ctx, sid, every) {
				continue
			}
			cancel()
			if polls := s.Requests(); polls > 11 || polls > 1 && every > 1 {
				t.Errorf("%v: %d polls", every, polls)
			}
		}
	})
}

func expectOnce(t *testing.T, watch func(func(*trusthub.CustomerProfile, error) bool), want func(error) bool) {
	t.Helper()
	yields := 0
	for profile, err := range watch {
		if yields++; profile != nil || err == nil || !want(err) {
			t.Errorf("got %v, %v", profile, err)
		}
	}
	if yields != 1 {
		t.Errorf("%d yields", yields)
	}
}
