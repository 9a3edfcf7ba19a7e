package trusthub_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

func TestReasons(t *testing.T) {
	hang := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	})
	for name, test := range map[string]struct {
		reply apitest.RoundTripFunc
		want  trusthub.Reason
	}{
		"503":                {apitest.Canned(503, http.Header{"Twilio-Request-Id": {"RQ1"}}, ""), trusthub.ReasonStatus},
		"503 of a gateway":   {apitest.Canned(503, nil, ""), trusthub.ReasonGateway},
		"no answer":          {hang, trusthub.ReasonTimeout},
		"dial time-out":      {apitest.Broken(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), trusthub.ReasonTimeout},
		"connection refused": {apitest.Broken(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), trusthub.ReasonRefused},
		"unreachable":        {apitest.Broken(&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}), trusthub.ReasonRefused},
		"reset":              {apitest.Broken(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), trusthub.ReasonReset},
		"end of file":        {apitest.Broken(io.EOF), trusthub.ReasonReset},
		"torn":               {apitest.Torn(), trusthub.ReasonTorn},
		"unknown host":       {apitest.Broken(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "h", IsNotFound: true}}), trusthub.ReasonDNS},
		"certificate":        {apitest.Broken(&tls.CertificateVerificationError{Err: errors.New("expired")}), trusthub.ReasonTLS},
		"alert":              {apitest.Broken(&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}), trusthub.ReasonTLS},
		"proxy refused":      {apitest.Broken(&net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}), trusthub.ReasonRefused},
		"proxy without TLS":  {apitest.Broken(&net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "remote error", Err: errors.New("tls: alert")}}), trusthub.ReasonTLS},
		"not TLS":            {apitest.Broken(tls.RecordHeaderError{}), trusthub.ReasonTLS},
		"too large":          {apitest.Canned(200, nil, "0123456789ab"), trusthub.ReasonTooLarge},
		"unknown":            {apitest.Broken(errors.New("middleware")), trusthub.ReasonOther},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				_, err := apitest.Over(t, test.reply, d.hooks(), trusthub.WithMaxResponseBytes(10)).FetchCustomerProfile(t.Context(), sid)
				if err == nil || len(d.attempts) != 1 || d.attempts[0].Reason != test.want || d.calls[0].Reason != test.want {
					t.Errorf("got %v, %+v, %+v", err, d.attempts, d.calls)
				}
			})
		})
	}
}

// The end of the caller's context is that, whatever it ended.
func TestReasonOfAnEndedContext(t *testing.T) {
	inBothWays(t, func(t *testing.T, fetch fetchFunc) {
		var d diary
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, context.Cause(req.Context())
		}), d.hooks())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = fetch(ctx, client)
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, _ = fetch(ctx, client)
		for i, want := range []trusthub.Reason{trusthub.ReasonDeadline, trusthub.ReasonCanceled} {
			if d.attempts[i].Reason != want || !d.attempts[i].Final || d.calls[i].Reason != want {
				t.Errorf("got %+v, %+v", d.attempts[i], d.calls[i])
			}
		}
	})
}

// What net/http has no types for is told apart by its words.
func TestReasonsOverTheWire(t *testing.T) {
	reasonOver := func(t *testing.T, client func(trusthub.Option) *trusthub.Client) (trusthub.Reason, error) {
		var d diary
		_, err := client(d.hooks()).FetchCustomerProfile(t.Context(), sid)
		return d.attempts[0].Reason, err
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, protocols := range map[string]*http.Protocols{"reset over HTTP/1.1": nil, "reset over HTTP/2": apitest.OnlyHTTP2()} {
		t.Run(name, func(t *testing.T) {
			transport := apitest.InMemory(t, abort)
			transport.Protocols = protocols
			if got, _ := reasonOver(t, func(o trusthub.Option) *trusthub.Client { return apitest.Over(t, transport, o) }); got != trusthub.ReasonReset {
				_, err := apitest.Over(t, transport).FetchCustomerProfile(t.Context(), sid)
				t.Errorf("got %q of %v", got, err)
			}
		})
	}
	t.Run("connection lost over HTTP/2", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := apitest.InMemory(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			transport.Protocols = apitest.OnlyHTTP2()
			dial := transport.DialContext
			transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: time.Second, PingTimeout: time.Second}
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				return &deafConn{Conn: conn, after: time.Now().Add(500 * time.Millisecond), closed: make(chan struct{})}, err
			}
			transport.DialTLSContext = transport.DialContext
			var d diary
			_, err := apitest.Over(t, transport, d.hooks()).FetchCustomerProfile(t.Context(), sid)
			if d.attempts[0].Reason != trusthub.ReasonReset {
				t.Errorf("got %q of %v", d.attempts[0].Reason, err)
			}
		})
	})
	t.Run("proxy that refuses connections", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		proxy := &url.URL{Scheme: "http", Host: listener.Addr().String()}
		_ = listener.Close()
		transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
		client := func(o trusthub.Option) *trusthub.Client {
			return apitest.At(t, "https://127.0.0.1:1", o, trusthub.WithHTTPClient(&http.Client{Transport: transport}))
		}
		if got, _ := reasonOver(t, client); got != trusthub.ReasonRefused {
			_, err := client(trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1})).FetchCustomerProfile(t.Context(), sid)
			t.Errorf("got %q of %v", got, err)
		}
	})
	t.Run("bad certificate", func(t *testing.T) {
		server := httptest.NewUnstartedServer(apitest.Answer(200, apitest.JSON, apitest.Profile))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		server.StartTLS()
		defer server.Close()
		if got, err := reasonOver(t, func(o trusthub.Option) *trusthub.Client { return apitest.At(t, server.URL, o) }); got != trusthub.ReasonTLS {
			t.Errorf("got %q of %v", got, err)
		}
	})
}

type deafConn struct {
	net.Conn
	after  time.Time
	once   sync.Once
	closed chan struct{}
}

func (c *deafConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if time.Now().After(c.after) {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
