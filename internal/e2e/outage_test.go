package e2e_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// An outage of a minute loses no profile, and few requests are sent during it.
func TestBatchWaitsOutAnOutage(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func() apitest.RoundTripFunc{
		"503":                func() apitest.RoundTripFunc { return apitest.Unavailable() },
		"503, Retry-After":   func() apitest.RoundTripFunc { return apitest.Handled(apitest.Asking(503, "30")) },
		"connection refused": func() apitest.RoundTripFunc { return apitest.Broken(errors.New("connection refused")) },
		"timeouts":           func() apitest.RoundTripFunc { time.Sleep(time.Second); return apitest.Broken(os.ErrDeadlineExceeded) },
		"truncated":          func() apitest.RoundTripFunc { return apitest.Torn() },
	} {
		for attempts, bound := range map[int]trusthub.Option{1: trusthub.WithMaxConcurrency(64), 3: trusthub.WithTimeout(time.Minute)} {
			t.Run(fmt.Sprint(name, ", attempts ", attempts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := apitest.NewScene(100*time.Millisecond, func(after time.Duration, _ string) apitest.RoundTripFunc {
						if after > 5*time.Second && after < 65*time.Second {
							return down()
						}
						return nil
					})
					var log bytes.Buffer
					client := apitest.Over(t, server, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts}), bound,
						trusthub.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
					results := apitest.FetchAll(t.Context(), t, client, 4000)
					if n := apitest.Failed(results); n > 0 || len(results) != 4000 {
						t.Errorf("%d of %d lost", n, len(results))
					}
					if n := server.Between(7*time.Second, 65*time.Second); n < 5 || n > 60 {
						t.Errorf("%d requests in the outage", n)
					}
					if hold, release := strings.Count(log.String(), "an outage pauses the batch"), strings.Count(log.String(), "outage is over"); hold != 1 || release != 1 {
						t.Errorf("%d starts and %d ends of outages logged", hold, release)
					}
				})
			})
		}
	}
}

// Probes are sent one by one, for different SIDs, at intervals that grow to MaxWait.
func TestBatchProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(after time.Duration, _ string) apitest.RoundTripFunc {
			if after < 10*time.Minute {
				time.Sleep(time.Millisecond) // time to start all calls
				return apitest.Unavailable()
			}
			return nil
		})
		results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults()), 10)
		if n := apitest.Failed(results); n > 0 {
			t.Errorf("%d lost", n)
		}
		probes := server.Sent()[10:]
		for i := 7; i < len(probes)-10; i++ {
			// A probe takes 1 ms.
			if wait := probes[i+1].After - probes[i].After; wait < 5*time.Second || wait > 10*time.Second+time.Millisecond {
				t.Errorf("probe %d after %v", i, wait)
			}
			if probes[i].SID == probes[i+1].SID {
				t.Errorf("%s twice", probes[i].SID)
			}
		}
		for _, result := range results {
			if result.Response.Attempts < 5 {
				t.Errorf("attempts %d: not the same call", result.Response.Attempts)
			}
		}
	})
}

// During an outage, at most one SID is pulled for every two probes.
func TestPullsInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(0, func(after time.Duration, _ string) apitest.RoundTripFunc {
			if after < time.Minute {
				return apitest.Unavailable()
			}
			return nil
		})
		var pulled atomic.Int64
		time.AfterFunc(59*time.Second, func() {
			if n, probes := int(pulled.Load()), server.Between(time.Second, time.Minute); n > 2*16+probes || probes > 20 {
				t.Errorf("%d pulled, %d probes", n, probes)
			}
		})
		n := 0
		for range apitest.Over(t, server, apitest.Defaults()).FetchCustomerProfiles(t.Context(), apitest.Numbered(1000, &pulled)) {
			n++
		}
		if n != 1000 {
			t.Errorf("%d results", n)
		}
	})
}

// After MaxOutage, a batch ends. The remaining results have their own error, which also is
// ErrOutage.
func TestBatchGivesUpAfterMaxOutage(t *testing.T) {
	for name, down := range map[string]http.HandlerFunc{"503": apitest.Answer(503, apitest.Text, ""), "429": apitest.Throttle("")} {
		for attempts, most := range map[int]time.Duration{0: 15 * time.Minute, 1: time.Minute} {
			t.Run(fmt.Sprint(name, most), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := apitest.NewScene(time.Second, func(after time.Duration, _ string) apitest.RoundTripFunc {
						if after > time.Minute {
							return apitest.Handled(down)
						}
						return nil
					})
					results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts})), 1_000_000, trusthub.WithMaxOutage(most))
					if took := server.Elapsed() - time.Minute; took < most || took > most+2*time.Minute {
						t.Errorf("took %v", took)
					}
					if n := apitest.Failed(results); n < 16 || n > 100 {
						t.Errorf("%d lost", n)
					}
					for _, result := range results {
						if result.Err == nil {
							continue
						}
						_, answered := errors.AsType[*trusthub.Error](result.Err) // response for this SID
						if !errors.Is(result.Err, trusthub.ErrOutage) || answered != (result.Response.Attempts > 0) || !trusthub.IsRetryable(result.Err) ||
							!strings.HasPrefix(result.Err.Error(), "trusthub: ") || len(result.Err.Error()) >= 500 {
							t.Errorf("got %v", result.Err)
						}
					}
				})
			})
		}
	}
}

// Failing SIDs are no outage if the client fetched another SID before. They are fetched again, and
// this one is not.
func TestBatchOfBadSIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(100*time.Millisecond, func(_ time.Duration, asked string) apitest.RoundTripFunc {
			if asked != sid {
				return apitest.Handled(apitest.Answer(500, apitest.Text, ""))
			}
			return nil
		})
		client := apitest.Over(t, server, apitest.Defaults())
		if _, err := client.FetchCustomerProfile(t.Context(), sid); err != nil {
			t.Fatal(err)
		}
		results := apitest.FetchAll(t.Context(), t, client, 100)
		if took := server.Elapsed(); len(results) != 100 || took > time.Minute {
			t.Errorf("%d results after %v", len(results), took)
		}
		for _, result := range results {
			if apiErr, ok := errors.AsType[*trusthub.Error](result.Err); !ok || apiErr.StatusCode != 500 || errors.Is(result.Err, trusthub.ErrOutage) {
				t.Errorf("got %v", result.Err)
			}
		}
	})
}

// With a MaxOutage of zero, a batch ends after the first failed probe.
func TestMaxOutageOfZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewScene(time.Second, func(time.Duration, string) apitest.RoundTripFunc { return apitest.Unavailable() })
		results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults()), 100, trusthub.WithMaxOutage(0))
		if took := server.Elapsed(); apitest.Failed(results) != len(results) || len(results) > 40 || took > time.Second {
			t.Errorf("%d results after %v", len(results), took)
		}
		for _, result := range results {
			if !errors.Is(result.Err, trusthub.ErrOutage) {
				t.Errorf("got %v", result.Err)
			}
		}
	})
}

// A batch waits for the end of a pause, whatever MaxOutage is, and pulls nothing meanwhile.
func TestBatchWaitsOutAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pulled atomic.Int64
		server := apitest.NewScene(50*time.Millisecond, func(after time.Duration, _ string) apitest.RoundTripFunc {
			if after == 0 {
				return apitest.Throttled("11")
			}
			return nil
		})
		time.AfterFunc(10*time.Second, func() {
			if n := pulled.Load(); n > 33 {
				t.Errorf("%d pulled in the pause", n)
			}
		})
		n, failed := 0, 0
		client := apitest.Over(t, server, apitest.Defaults())
		for result := range client.FetchCustomerProfiles(t.Context(), apitest.Numbered(10_000, &pulled), trusthub.WithMaxOutage(0)) {
			if n++; result.Err != nil {
				failed++
			}
		}
		if n != 10_000 || failed > 0 {
			t.Errorf("%d results, %d failed", n, failed)
		}
	})
}

// A SID that fails while others succeed has its own error. It delays no other SID, at any index.
func TestBatchWithBadSIDs(t *testing.T) {
	for _, attempts := range []int{1, 3} {
		for name, bad := range map[string]func(i int) bool{
			"first": func(i int) bool { return i == 0 }, "two together": func(i int) bool { return i == 500 || i == 501 },
			"2%": func(i int) bool { return i%50 == 25 },
		} {
			t.Run(fmt.Sprint(name, ", attempts ", attempts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := apitest.NewScene(100*time.Millisecond, func(_ time.Duration, sid string) apitest.RoundTripFunc {
						if i, _ := strconv.ParseInt(sid[2:], 16, 64); bad(int(i)) {
							return apitest.Handled(apitest.Answer(500, apitest.Text, ""))
						}
						return nil
					})
					results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts})), 1000)
					for i, result := range results {
						if (result.Err != nil) != bad(i) || errors.Is(result.Err, trusthub.ErrOutage) || bad(i) && result.Response.StatusCode != 500 {
							t.Errorf("%d: got %v", i, result.Err)
						}
					}
					if took := server.Elapsed(); took > 20*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// A failing SID that is first and alone in progress does not block the others.
func TestBatchWithABadSIDAlone(t *testing.T) {
	for _, attempts := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			server := apitest.NewScene(100*time.Millisecond, func(_ time.Duration, asked string) apitest.RoundTripFunc {
				if asked == sid {
					return apitest.Handled(apitest.Answer(500, apitest.Text, ""))
				}
				return nil
			})
			failed, came := error(nil), 0
			policy := trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts})
			for result := range apitest.Over(t, server, policy).FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
				for _, next := range append([]string{sid}, slices.Repeat([]string{apitest.UnknownSID}, 20)...) {
					if !yield(next) {
						return
					}
					time.Sleep(time.Second)
				}
			}) {
				if result.SID == sid {
					failed = result.Err
				} else if result.Err == nil {
					came++
				}
			}
			if failed == nil || errors.Is(failed, trusthub.ErrOutage) || came != 20 || server.Elapsed() > 40*time.Second {
				t.Errorf("%d attempts: got %v, %d came, after %v", attempts, failed, came, server.Elapsed())
			}
		})
	}
}

// With a limit per minute, a batch waits for the next minute.
func TestBatchUnderAQuotaPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minute, used, throttled := time.Duration(0), 0, 0
		var mu sync.Mutex
		server := apitest.NewScene(100*time.Millisecond, func(after time.Duration, _ string) apitest.RoundTripFunc {
			mu.Lock()
			defer mu.Unlock()
			if now := after.Truncate(time.Minute); now != minute {
				minute, used = now, 0
			}
			if used++; used > 500 {
				throttled++
				return apitest.Handled(apitest.Throttle(strconv.Itoa(int((minute+time.Minute-after)/time.Second) + 1)))
			}
			return nil
		})
		results := apitest.FetchAll(t.Context(), t, apitest.Over(t, server, apitest.Defaults()), 2000)
		if n := apitest.Failed(results); n > 0 || throttled > 3*20 || server.Elapsed() > 4*time.Minute {
			t.Errorf("%d lost, %d throttled, took %v", n, throttled, server.Elapsed())
		}
	})
}

// An error that applies to all requests ends a batch at once.
func TestBatchEndsWhenAllIsRejected(t *testing.T) {
	certificate := &tls.CertificateVerificationError{Err: errors.New("expired")}
	basic := trusthub.BasicAuth("AC1", "wrong")
	token := trusthub.AuthFunc(func(req *http.Request) error { req.Header.Set("Authorization", "Bearer x"); return nil })
	unauthorized := func() apitest.RoundTripFunc {
		return apitest.Handled(apitest.Answer(401, apitest.JSON, `{"code":20003}`))
	}
	for name, test := range map[string]struct {
		auth trusthub.Auth
		fail func() apitest.RoundTripFunc
		want func(error) bool
		most int // requests
	}{
		"wrong password": {basic, unauthorized, func(err error) bool { return errors.Is(err, trusthub.ErrUnauthorized) }, 16},
		"wrong token":    {token, unauthorized, func(err error) bool { return errors.Is(err, trusthub.ErrUnauthorized) }, 32},
		"certificate":    {basic, func() apitest.RoundTripFunc { return apitest.Broken(certificate) }, func(err error) bool { return errors.Is(err, certificate) }, 16},
		"authentication": {trusthub.AuthFunc(func(*http.Request) error { return io.EOF }), nil, func(err error) bool { return errors.Is(err, io.EOF) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := apitest.NewScene(0, func(time.Duration, string) apitest.RoundTripFunc { time.Sleep(time.Second); return test.fail() })
				client, err := trusthub.NewClient(test.auth, trusthub.WithHTTPClient(&http.Client{Transport: server}))
				if err != nil {
					t.Fatal(err)
				}
				results := apitest.FetchAll(t.Context(), t, client, 5000)
				if len(results) > 33 || len(server.Sent()) > test.most || apitest.Failed(results) != len(results) {
					t.Errorf("%d results, %d requests", len(results), len(server.Sent()))
				}
				for _, result := range results {
					if !test.want(result.Err) || errors.Is(result.Err, trusthub.ErrOutage) {
						t.Errorf("%s: got %v", result.SID, result.Err)
					}
				}
			})
		})
	}
}

// A token that expires during a batch is renewed, and no profile is lost.
func TestBatchSignsAgainAfter401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := trusthub.AuthFunc(func(req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+time.Now().Truncate(time.Minute).String())
			return nil
		})
		var unauthorized atomic.Int64
		client, err := trusthub.NewClient(auth, trusthub.WithHTTPClient(&http.Client{Transport: apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			if req.Header.Get("Authorization") != "Bearer "+time.Now().Truncate(time.Minute).String() {
				unauthorized.Add(1)
				return apitest.Canned(401, http.Header{"Content-Type": {apitest.JSON}, "Twilio-Request-Id": {"RQ1"}}, "{}")(req)
			}
			return apitest.OK()(req)
		})}))
		if err != nil {
			t.Fatal(err)
		}
		if n := apitest.Failed(apitest.FetchAll(t.Context(), t, client, 2000)); n > 0 || unauthorized.Load() == 0 {
			t.Errorf("%d lost, %d unauthorized", n, unauthorized.Load())
		}
	})
}
