package trusthub_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
)

// scene is a transport to an API that takes its time and fails at times.
type scene struct {
	mu    sync.Mutex
	from  time.Time
	sent  []time.Duration // since then
	sids  []string
	takes time.Duration
	fail  func(after time.Duration, sid string) roundTripFunc // nil: it answers with a profile
}

func newScene(takes time.Duration, fail func(time.Duration, string) roundTripFunc) *scene {
	return &scene{from: time.Now(), takes: takes, fail: fail}
}

func (a *scene) RoundTrip(req *http.Request) (*http.Response, error) {
	after, sid := time.Since(a.from), req.URL.Path[len("/v1/CustomerProfiles/"):]
	a.mu.Lock()
	a.sent, a.sids = append(a.sent, after), append(a.sids, sid)
	a.mu.Unlock()
	reply := a.fail(after, sid)
	if reply == nil {
		time.Sleep(a.takes)
		reply = handled(answer(200, jsonType, acme))
	}
	return reply(req)
}

// handled is a handler as a transport, without a connection.
func handled(handler http.HandlerFunc) roundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		handler(recorder, req)
		return recorder.Result(), nil
	}
}

// broken is a transport that fails.
func broken(err error) roundTripFunc {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func torn(req *http.Request) (*http.Response, error) {
	answer, err := canned(200, http.Header{"Content-Type": {jsonType}}, "")(req)
	answer.Body = io.NopCloser(io.MultiReader(strings.NewReader(acme[:5]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	return answer, err
}

// between counts the requests in a part of the time.
func (a *scene) between(from, to time.Duration) (n int) {
	for _, at := range a.sent {
		if from <= at && at < to {
			n++
		}
	}
	return n
}

// fetchAll drains a fleet, checks that each SID of n yields one result, and returns them by index.
func fetchAll(ctx context.Context, t *testing.T, client *trusthub.Client, n int, opts ...trusthub.BatchOption) []trusthub.FetchResult {
	t.Helper()
	var pulled atomic.Int64
	results := make([]trusthub.FetchResult, n)
	seen := int64(0)
	for result := range client.FetchCustomerProfiles(ctx, numbered(n, &pulled), opts...) {
		if results[result.Index].SID != "" || result.SID != fmt.Sprintf("BU%032x", result.Index) || (result.Profile == nil) == (result.Err == nil) {
			t.Errorf("got %d %s, %v, %v", result.Index, result.SID, result.Profile, result.Err)
		}
		results[result.Index] = result
		seen++
	}
	if seen != pulled.Load() {
		t.Errorf("%d results of %d SIDs", seen, pulled.Load())
	}
	return results[:pulled.Load()]
}

func lost(results []trusthub.FetchResult) (n int) {
	for _, result := range results {
		if result.Err != nil {
			n++
		}
	}
	return n
}

// A minute without the API loses nothing, and few requests are made in it.
func TestFleetHoldsThroughAnOutage(t *testing.T) {
	for name, down := range map[string]func() roundTripFunc{
		"503":            func() roundTripFunc { return handled(answer(503, textType, "")) },
		"503, asks much": func() roundTripFunc { return handled(asking(503, "30")) },
		"refused":        func() roundTripFunc { return broken(errors.New("connection refused")) },
		"time-outs":      func() roundTripFunc { time.Sleep(time.Second); return broken(os.ErrDeadlineExceeded) },
		"torn":           func() roundTripFunc { return torn },
	} {
		for attempts, bound := range map[int]trusthub.Option{1: trusthub.WithMaxConcurrency(64), 3: trusthub.WithTimeout(time.Minute)} {
			t.Run(fmt.Sprint(name, ", attempts ", attempts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newScene(100*time.Millisecond, func(after time.Duration, _ string) roundTripFunc {
						if after > 5*time.Second && after < 65*time.Second {
							return down()
						}
						return nil
					})
					var log bytes.Buffer
					client := over(t, server, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts}), bound,
						trusthub.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
					results := fetchAll(t.Context(), t, client, 8000)
					if n := lost(results); n > 0 || len(results) != 8000 {
						t.Errorf("%d of %d lost", n, len(results))
					}
					if n := server.between(7*time.Second, 65*time.Second); n < 5 || n > 60 {
						t.Errorf("%d requests in the outage", n)
					}
					if hold, release := strings.Count(log.String(), "holding in an outage"), strings.Count(log.String(), "outage is over"); hold != 1 || release != 1 {
						t.Errorf("%d holds and %d releases logged", hold, release)
					}
				})
			})
		}
	}
}

// Probes are for different SIDs, one at a time, at intervals that grow to MaxWait.
func TestFleetProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(0, func(after time.Duration, _ string) roundTripFunc {
			if after < 10*time.Minute {
				time.Sleep(time.Millisecond) // all are in hand by then
				return handled(answer(503, textType, ""))
			}
			return nil
		})
		results := fetchAll(t.Context(), t, over(t, server, defaults), 10)
		if n := lost(results); n > 0 {
			t.Errorf("%d lost", n)
		}
		probes := server.sent[10:]
		for i := 7; i < len(probes)-10; i++ {
			if wait := probes[i+1] - probes[i]; wait < 5*time.Second || wait > 10*time.Second+time.Millisecond { // which a probe takes
				t.Errorf("probe %d after %v", i, wait)
			}
			if server.sids[10+i] == server.sids[11+i] {
				t.Errorf("%s twice", server.sids[i])
			}
		}
		for _, result := range results {
			if result.Response.Attempts < 5 {
				t.Errorf("attempts %d: not the same call", result.Response.Attempts)
			}
		}
	})
}

// While the API is down, a SID is pulled for each second probe at most.
func TestPullsInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(0, func(after time.Duration, _ string) roundTripFunc {
			if after < time.Minute {
				return handled(answer(503, textType, ""))
			}
			return nil
		})
		var pulled atomic.Int64
		time.AfterFunc(59*time.Second, func() {
			if n, probes := int(pulled.Load()), server.between(time.Second, time.Minute); n > 2*16+probes || probes > 20 {
				t.Errorf("%d pulled, %d probes", n, probes)
			}
		})
		n := 0
		for range over(t, server, defaults).FetchCustomerProfiles(t.Context(), numbered(1000, &pulled)) {
			n++
		}
		if n != 1000 {
			t.Errorf("%d results", n)
		}
	})
}

// After MaxOutage the fleet gives up: what is in hand is yielded with its own error, which is ErrOutage, too.
func TestFleetGivesUpAfterMaxOutage(t *testing.T) {
	for name, down := range map[string]http.HandlerFunc{"503": answer(503, textType, ""), "429": refusal("")} {
		for attempts, most := range map[int]time.Duration{0: 15 * time.Minute, 1: time.Minute} {
			t.Run(fmt.Sprint(name, most), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newScene(time.Second, func(after time.Duration, _ string) roundTripFunc {
						if after > time.Minute {
							return handled(down)
						}
						return nil
					})
					results := fetchAll(t.Context(), t, over(t, server, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts})), 1_000_000, trusthub.WithMaxOutage(most))
					if took := time.Since(server.from) - time.Minute; took < most || took > most+time.Minute {
						t.Errorf("took %v", took)
					}
					if n := lost(results); n < 16 || n > 100 {
						t.Errorf("%d lost", n)
					}
					for _, result := range results {
						var apiErr *trusthub.Error
						if result.Err != nil && (!errors.Is(result.Err, trusthub.ErrOutage) || !errors.As(result.Err, &apiErr) ||
							!strings.HasPrefix(result.Err.Error(), "trusthub: ") || len(result.Err.Error()) >= 500) {
							t.Errorf("got %v", result.Err)
						}
					}
				})
			})
		}
	}
}

// A batch that must not wait for an outage to end does so after the first probe that fails.
func TestMaxOutageOfZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newScene(time.Second, func(time.Duration, string) roundTripFunc { return handled(answer(503, textType, "")) })
		results := fetchAll(t.Context(), t, over(t, server, defaults), 100, trusthub.WithMaxOutage(0))
		if took := time.Since(server.from); lost(results) != len(results) || len(results) > 40 || took > time.Second {
			t.Errorf("%d results after %v", len(results), took)
		}
		for _, result := range results {
			if !errors.Is(result.Err, trusthub.ErrOutage) {
				t.Errorf("got %v", result.Err)
			}
		}
	})
}

// A 429 costs time, whatever MaxOutage is, and nothing is pulled in a pause.
func TestBatchWaitsOutAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pulled atomic.Int64
		server := newScene(50*time.Millisecond, func(after time.Duration, _ string) roundTripFunc {
			if after == 0 {
				return handled(refusal("11"))
			}
			return nil
		})
		time.AfterFunc(10*time.Second, func() {
			if n := pulled.Load(); n > 33 {
				t.Errorf("%d pulled in the pause", n)
			}
		})
		n, failed := 0, 0
		client := over(t, server, defaults)
		for result := range client.FetchCustomerProfiles(t.Context(), numbered(10_000, &pulled), trusthub.WithMaxOutage(0)) {
			if n++; result.Err != nil {
				failed++
			}
		}
		if n != 10_000 || failed > 0 {
			t.Errorf("%d results, %d failed", n, failed)
		}
	})
}

// A SID that fails while others succeed ends with its own error, wherever it is in the input, and holds up nothing.
func TestFleetWithBadSIDs(t *testing.T) {
	for _, attempts := range []int{1, 3} {
		for name, bad := range map[string]func(i int) bool{
			"first": func(i int) bool { return i == 0 }, "two together": func(i int) bool { return i == 500 || i == 501 },
			"2%": func(i int) bool { return i%50 == 25 },
		} {
			t.Run(fmt.Sprint(name, ", attempts ", attempts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newScene(100*time.Millisecond, func(_ time.Duration, sid string) roundTripFunc {
						if i, _ := strconv.ParseInt(sid[2:], 16, 64); bad(int(i)) {
							return handled(answer(500, textType, ""))
						}
						return nil
					})
					results := fetchAll(t.Context(), t, over(t, server, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts})), 1000)
					for i, result := range results {
						if (result.Err != nil) != bad(i) || errors.Is(result.Err, trusthub.ErrOutage) || bad(i) && result.Response.StatusCode != 500 {
							t.Errorf("%d: got %v", i, result.Err)
						}
					}
					if took := time.Since(server.from); took > 20*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// A SID that always fails and is alone in hand at first does not keep the others from coming.
func TestFleetWithABadSIDAlone(t *testing.T) {
	for _, attempts := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			server := newScene(100*time.Millisecond, func(_ time.Duration, asked string) roundTripFunc {
				if asked == sid {
					return handled(answer(500, textType, ""))
				}
				return nil
			})
			failed, came := error(nil), 0
			policy := trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: attempts})
			for result := range over(t, server, policy).FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
				for _, next := range append([]string{sid}, slices.Repeat([]string{unknownSID}, 20)...) {
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
			if failed == nil || errors.Is(failed, trusthub.ErrOutage) || came != 20 || time.Since(server.from) > 40*time.Second {
				t.Errorf("%d attempts: got %v, %d came, after %v", attempts, failed, came, time.Since(server.from))
			}
		})
	}
}

// An API that counts by the minute is waited for.
func TestFleetUnderAQuotaPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minute, used, refused := time.Duration(0), 0, 0
		var mu sync.Mutex
		server := newScene(100*time.Millisecond, func(after time.Duration, _ string) roundTripFunc {
			mu.Lock()
			defer mu.Unlock()
			if now := after.Truncate(time.Minute); now != minute {
				minute, used = now, 0
			}
			if used++; used > 500 {
				refused++
				return handled(refusal(strconv.Itoa(int((minute+time.Minute-after)/time.Second) + 1)))
			}
			return nil
		})
		results := fetchAll(t.Context(), t, over(t, server, defaults), 2000)
		if n := lost(results); n > 0 || refused > 3*20 || time.Since(server.from) > 4*time.Minute {
			t.Errorf("%d lost, %d refused, took %v", n, refused, time.Since(server.from))
		}
	})
}

// What is refused for all ends a fleet at once.
func TestFleetEndsWhenAllIsRefused(t *testing.T) {
	certificate := &tls.CertificateVerificationError{Err: errors.New("expired")}
	basic := trusthub.BasicAuth("AC1", "wrong")
	token := trusthub.AuthFunc(func(req *http.Request) error { req.Header.Set("Authorization", "Bearer x"); return nil })
	unauthorized := func() roundTripFunc { return handled(answer(401, jsonType, `{"code":20003}`)) }
	for name, test := range map[string]struct {
		auth trusthub.Auth
		fail func() roundTripFunc
		want func(error) bool
		most int // requests
	}{
		"wrong password": {basic, unauthorized, func(err error) bool { return errors.Is(err, trusthub.ErrUnauthorized) }, 16},
		"wrong token":    {token, unauthorized, func(err error) bool { return errors.Is(err, trusthub.ErrUnauthorized) }, 32},
		"certificate":    {basic, func() roundTripFunc { return broken(certificate) }, func(err error) bool { return errors.Is(err, certificate) }, 16},
		"authentication": {trusthub.AuthFunc(func(*http.Request) error { return io.EOF }), nil, func(err error) bool { return errors.Is(err, io.EOF) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newScene(0, func(time.Duration, string) roundTripFunc { time.Sleep(time.Second); return test.fail() })
				client, err := trusthub.NewClient(test.auth, trusthub.WithHTTPClient(&http.Client{Transport: server}))
				if err != nil {
					t.Fatal(err)
				}
				results := fetchAll(t.Context(), t, client, 5000)
				if len(results) > 33 || len(server.sent) > test.most || lost(results) != len(results) {
					t.Errorf("%d results, %d requests", len(results), len(server.sent))
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

// A token that expires in the middle is renewed, and nothing is lost.
func TestFleetRenewsAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := trusthub.AuthFunc(func(req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+time.Now().Truncate(time.Minute).String())
			return nil
		})
		var refused atomic.Int64
		client, err := trusthub.NewClient(auth, trusthub.WithHTTPClient(&http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			if req.Header.Get("Authorization") != "Bearer "+time.Now().Truncate(time.Minute).String() {
				refused.Add(1)
				return canned(401, http.Header{"Content-Type": {jsonType}, "Twilio-Request-Id": {"RQ1"}}, "{}")(req)
			}
			return canned(200, http.Header{"Content-Type": {jsonType}}, acme)(req)
		})}))
		if err != nil {
			t.Fatal(err)
		}
		if n := lost(fetchAll(t.Context(), t, client, 2000)); n > 0 || refused.Load() == 0 {
			t.Errorf("%d lost, %d refused", n, refused.Load())
		}
	})
}
