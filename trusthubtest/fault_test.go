package trusthubtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

var once = apitest.Once()

// withBoth runs a test with the fake as a server and as a transport.
func withBoth(t *testing.T, test func(*testing.T, *trusthubtest.Handler, *trusthub.Client)) {
	t.Helper()
	t.Run("server", func(t *testing.T) {
		server := trusthubtest.NewServer(t)
		test(t, server.Handler, server.Client(once))
	})
	t.Run("transport", func(t *testing.T) {
		handler := trusthubtest.NewHandler()
		test(t, handler, inProcess(t, handler, once))
	})
}

func inProcess(t *testing.T, handler *trusthubtest.Handler, opts ...trusthub.Option) *trusthub.Client {
	t.Helper()
	return apitest.Client(t, apitest.Credentials(), handler, opts...)
}

func TestFaults(t *testing.T) {
	withBoth(t, func(t *testing.T, handler *trusthubtest.Handler, client *trusthub.Client) {
		fetch := func() (trusthub.Response, error) {
			var response trusthub.Response
			_, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID, trusthub.WithResponseInto(&response))
			return response, err
		}
		usual, err := fetch()
		if err != nil {
			t.Fatal(err)
		}
		handler.Fail(
			trusthubtest.Fault{Status: 503, Header: http.Header{"retry-after": {"7"}}, Body: "down"},
			trusthubtest.Fault{Status: 302},
			trusthubtest.Fault{Header: http.Header{"X-Extra": {"1"}}},
			trusthubtest.Fault{Body: `{"email":1}`},
			trusthubtest.Fault{Truncate: true},
			trusthubtest.Fault{Reset: true},
		)

		response, err := fetch()
		var apiErr *trusthub.Error
		if !errors.As(err, &apiErr) || apiErr.StatusCode != 503 || apiErr.RetryAfter != 7*time.Second || string(apiErr.Body) != "down" ||
			response.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("status and body: got %v, %v", err, response)
		}
		if _, err := fetch(); !errors.As(err, &apiErr) || apiErr.StatusCode != 302 {
			t.Errorf("redirect: got %v", err)
		}
		if response, err := fetch(); err != nil || response.Header.Get("X-Extra") != "1" {
			t.Errorf("header: got %v, %v", err, response)
		}
		var decodeErr *trusthub.DecodeError
		if response, err := fetch(); !errors.As(err, &decodeErr) || decodeErr.Pointer != "/email" || response.StatusCode != 200 {
			t.Errorf("body: got %v, %v", err, response)
		}
		if _, err := fetch(); !errors.As(err, &decodeErr) || !errors.Is(err, io.ErrUnexpectedEOF) || string(decodeErr.Body) != string(usual.Body[:len(usual.Body)/2]) {
			t.Errorf("truncate: got %v", err)
		}
		if response, err := fetch(); err == nil || errors.As(err, &apiErr) || response.StatusCode != 0 || response.Attempts != 1 {
			t.Errorf("reset: got %v, %v", err, response)
		}
		if response, err := fetch(); err != nil || string(response.Body) != string(usual.Body) {
			t.Errorf("after the last fault: got %v, %v", err, response)
		}
		if n := len(handler.Requests()); n != 8 {
			t.Errorf("%d requests", n)
		}
	})
}

// A Delay takes no real time in a synctest bubble.
func TestDelayInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := trusthubtest.NewHandler()
		client := inProcess(t, handler, once)
		handler.Fail(trusthubtest.Fault{Delay: time.Second}, trusthubtest.Fault{Delay: time.Hour})
		start := time.Now()
		if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := client.FetchCustomerProfile(ctx, trusthubtest.ExampleSID); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 11*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// The Content-Type of a fault depends on its body, unless a header is set.
func TestContentTypeOfAFault(t *testing.T) {
	withBoth(t, func(t *testing.T, handler *trusthubtest.Handler, client *trusthub.Client) {
		html := http.Header{"content-type": {"text/html"}}
		for _, test := range []struct {
			fault trusthubtest.Fault
			want  []string
		}{
			{trusthubtest.Fault{Body: "<html>"}, []string{"text/plain; charset=utf-8"}},
			{trusthubtest.Fault{Body: "{}"}, []string{"application/json; charset=utf-8"}},
			{trusthubtest.Fault{Status: 500, Body: "null"}, []string{"application/json; charset=utf-8"}},
			{trusthubtest.Fault{Status: 500}, []string{"application/json; charset=utf-8"}},
			{trusthubtest.Fault{Status: 302}, nil},
			{trusthubtest.Fault{Body: "<html>", Header: html}, []string{"text/html"}},
			{trusthubtest.Fault{Header: html}, []string{"text/html"}},
			{trusthubtest.Fault{Body: "{}", Header: http.Header{"Content-Type": nil}}, nil},
		} {
			handler.Fail(test.fault)
			var response trusthub.Response
			_, _ = client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID, trusthub.WithResponseInto(&response))
			if got := response.Header.Values("Content-Type"); !slices.Equal(got, test.want) {
				t.Errorf("%+v: got %q, want %q", test.fault, got, test.want)
			}
		}
	})
}

func TestFailFunc(t *testing.T) {
	handler := trusthubtest.NewHandler()
	client := inProcess(t, handler, once)
	fetch := func(sid string) int {
		var response trusthub.Response
		_, _ = client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
		return response.StatusCode
	}
	asked := 0
	handler.FailFunc(func(r *http.Request) (trusthubtest.Fault, bool) {
		asked++
		handler.Put(trusthub.CustomerProfile{SID: otherSID}) // may call the fake
		return trusthubtest.Fault{Status: 503}, strings.HasSuffix(r.URL.Path, otherSID)
	})
	handler.Fail(trusthubtest.Fault{Status: 500})
	if status := fetch(otherSID); status != 500 || asked != 0 {
		t.Errorf("the faults of Fail come first: got %d, called %d times", status, asked)
	}
	if status := fetch(otherSID); status != 503 {
		t.Errorf("got %d", status)
	}
	if status := fetch(trusthubtest.ExampleSID); status != 200 || asked != 2 {
		t.Errorf("another SID: got %d, called %d times", status, asked)
	}
	handler.FailFunc(nil)
	if status := fetch(otherSID); status != 200 {
		t.Errorf("ended: got %d", status)
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := trusthubtest.NewHandler()
		client := inProcess(t, handler, once)
		handler.Delay(time.Second)
		handler.Fail(trusthubtest.Fault{}, trusthubtest.Fault{Delay: 10 * time.Second})
		for _, want := range []time.Duration{time.Second, 11 * time.Second, time.Second} {
			start := time.Now()
			_, _ = client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID)
			if took := time.Since(start); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		}
	})
}

func TestLimitConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := trusthubtest.NewHandler()
		client := inProcess(t, handler, once)
		handler.LimitConcurrency(3)
		handler.Delay(time.Second)
		round := func() (throttled int) {
			var mu sync.Mutex
			var all sync.WaitGroup
			for range 5 {
				all.Go(func() {
					if _, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
						var apiErr *trusthub.Error
						if !errors.As(err, &apiErr) || apiErr.Code != 20429 {
							t.Errorf("got %v", err)
						}
						mu.Lock()
						throttled++
						mu.Unlock()
					}
				})
			}
			all.Wait()
			return throttled
		}
		for range 3 { // each response frees a slot
			if throttled := round(); throttled != 2 {
				t.Errorf("%d of 5 throttled", throttled)
			}
		}
		if throttled := handler.Refused(); throttled != 6 {
			t.Errorf("%d throttled in all", throttled)
		}
		handler.LimitConcurrency(0)
		if throttled := round(); throttled != 0 {
			t.Errorf("%d throttled without a limit", throttled)
		}
	})
}

// The function of FailFunc gets a copy of the request. Changes to it do not appear in Requests.
func TestFailFuncCopy(t *testing.T) {
	s := trusthubtest.NewServer(t)
	s.FailFunc(func(r *http.Request) (trusthubtest.Fault, bool) {
		r.Header.Set("Mine", "yes")
		return trusthubtest.Fault{}, false
	})
	if _, err := s.Client().FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
		t.Fatal(err)
	}
	if s.Requests()[0].Header.Get("Mine") != "" {
		t.Error("the recorded request was changed")
	}
}

// A fault is repeated as often as Times says, or until ClearFaults. Profiles remain.
func TestTimes(t *testing.T) {
	server := trusthubtest.NewServer(t)
	server.Put(trusthub.CustomerProfile{SID: otherSID})
	client := server.Client(trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}))
	statuses := func(n int) (all []int) {
		for range n {
			var response trusthub.Response
			_, _ = client.FetchCustomerProfile(t.Context(), otherSID, trusthub.WithResponseInto(&response))
			all = append(all, response.StatusCode)
		}
		return all
	}
	server.Fail(trusthubtest.Fault{Status: 500, Times: 2}, trusthubtest.Fault{Status: 502}, trusthubtest.Fault{Status: 503, Times: -1}, trusthubtest.Fault{Status: 504})
	if got := statuses(6); !slices.Equal(got, []int{500, 500, 502, 503, 503, 503}) {
		t.Errorf("got %v", got)
	}
	server.ClearFaults()
	if got := statuses(2); !slices.Equal(got, []int{200, 200}) {
		t.Errorf("got %v", got)
	}
}
