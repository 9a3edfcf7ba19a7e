package trusthub_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

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

// A wrapper around this package and its caller may both want to know.
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
		t.Errorf("left from the call before: %v, %v", first, second)
	}
}

func TestResponseIntoWithoutAnswer(t *testing.T) {
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

// stuckBody is a body that knows nothing of contexts: only closing it ends a Read.
type stuckBody struct{ closed chan struct{} }

func (b stuckBody) Read([]byte) (int, error) { <-b.closed; return 0, errors.New("read on closed body") }
func (b stuckBody) Close() error             { close(b.closed); return nil } // twice panics

// A body whose Read ignores the context ends with the attempt, and its place under the limit is free again.
func TestBodiesThatIgnoreTheContext(t *testing.T) {
	switching := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = conn.Read(make([]byte, 1)) // until the client gives up
		_ = conn.Close()
	}
	stuck := func(status int) func(*testing.T) http.RoundTripper {
		return func(*testing.T) http.RoundTripper {
			return apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: stuckBody{make(chan struct{})}}, nil
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for name, transport := range map[string]func(*testing.T) http.RoundTripper{
			"101":           func(t *testing.T) http.RoundTripper { return apitest.InMemory(t, switching) },
			"profile":       stuck(200),
			"error":         stuck(503),
			"not an answer": stuck(101),
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

// A call that is made within another one, with its context, leaves the other's Response alone.
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

// With contract, too, a body that ignores the context is closed once.
func TestContractClosesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closes := new(atomic.Int64)
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			answer, err := apitest.CannedJSON("")(req)
			answer.Body = countingBody{stuckBody{make(chan struct{})}, closes, new(sync.Once)}
			return answer, err
		}), trusthub.WithMiddleware(contract.NewTransport))
		_, _ = client.FetchCustomerProfile(t.Context(), sid)
		synctest.Wait()
		if closes.Load() != 1 {
			t.Errorf("closed %d times", closes.Load())
		}
	})
}

type countingBody struct {
	stuckBody
	closes *atomic.Int64
	once   *sync.Once
}

func (b countingBody) Close() error {
	b.closes.Add(1)
	b.once.Do(func() { _ = b.stuckBody.Close() })
	return nil
}
