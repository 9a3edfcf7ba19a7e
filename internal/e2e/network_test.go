package e2e_test

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
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// An error of a proxy contains its host and no credentials. It is retried only if waiting can help.
func TestProxyThatRejectsCONNECT(t *testing.T) {
	for status, attempts := range map[int]int{407: 1, 403: 1, 429: 2, 503: 2} {
		proxy, err := url.Parse(apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodConnect {
				t.Errorf("got %s", r.Method)
			}
			w.WriteHeader(status)
		}))
		if err != nil {
			t.Fatal(err)
		}
		host := proxy.Host
		proxy.User = url.UserPassword("somebody", "secret")
		apitest.ReplaceDefaultTransport(t, &http.Transport{Proxy: http.ProxyURL(proxy)})
		var d apitest.Diary
		client := apitest.At(t, "https://h", d.Hooks(), trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 2, MinWait: 1}))
		_, err = client.FetchCustomerProfile(t.Context(), sid)
		want := "proxy " + host + " refused the connection: "
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || d.Calls[0].Reason != trusthub.ReasonProxy ||
			len(d.Attempts) != attempts || trusthub.IsRetryable(err) != (attempts > 1) {
			t.Errorf("%d: got %v after %d attempts", status, err, len(d.Attempts))
		}
	}
}

// The program's own OnProxyConnectResponse hook is called first.
func TestProxyHookIsKept(t *testing.T) {
	proxy, err := url.Parse(apitest.Serve(t, apitest.Answer(407, "", "")))
	if err != nil {
		t.Fatal(err)
	}
	mine := errors.New("mine")
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
		if response.StatusCode != 407 {
			t.Errorf("got %d", response.StatusCode)
		}
		return mine
	}
	apitest.ReplaceDefaultTransport(t, transport)
	if _, err := apitest.At(t, "https://h").FetchCustomerProfile(t.Context(), sid); !errors.Is(err, mine) {
		t.Errorf("got %v", err)
	}
}

// Errors of the TLS version, or of a server without TLS, are not retried.
func TestLastingTLSErrors(t *testing.T) {
	old := httptest.NewUnstartedServer(nil)
	old.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10} //nolint:gosec // what is tested
	old.StartTLS()
	t.Cleanup(old.Close)
	for name, address := range map[string]string{
		"version": old.URL,
		"no TLS":  strings.Replace(apitest.Serve(t, apitest.Answer(200, apitest.JSON, apitest.Profile)), "http:", "https:", 1),
	} {
		var d apitest.Diary
		_, err := apitest.At(t, address, d.Hooks(), apitest.Defaults()).FetchCustomerProfile(t.Context(), sid)
		if len(d.Attempts) != 1 || d.Calls[0].Reason != trusthub.ReasonTLS || trusthub.IsRetryable(err) {
			t.Errorf("%s: got %v, %+v", name, err, d.Attempts)
		}
	}
	// A TLS alert is retried.
	_, err := apitest.Over(t, apitest.Broken(&net.OpError{Op: "remote error", Err: tls.AlertError(20)})).FetchCustomerProfile(t.Context(), sid)
	if !trusthub.IsRetryable(err) {
		t.Errorf("got %v", err)
	}
}

// frame returns an HTTP/2 frame on a stream (RFC 9113, 4.1).
func frame(kind, flags, stream byte, payload string) string {
	return string([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, stream}) + payload
}

// The text of an error contains no bytes of the server, such as a header name or the reason of a
// GOAWAY.
func TestTextsOfHTTP2(t *testing.T) {
	const headers, settings, goAway = 1, 4, 7
	for name, reply := range map[string]string{
		"header name":   frame(headers, 5, 1, "\x88\x00\x06SECRET\x01v"),
		"header value":  frame(headers, 5, 1, "\x88\x00\x06secret\x03S\x01T"),
		"GOAWAY":        frame(goAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x0bSECRET"),
		"broken frame":  frame(headers, 4, 0, "\x88"),
		"unknown error": frame(goAway, 0, 0, "\x00\x00\x00\x00\x00\x00\xff\xffSECRET"),
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(conn, frame(settings, 0, 0, ""))
					preface := make([]byte, 24)
					_, _ = io.ReadFull(conn, preface)
					for { // reads until the request has arrived
						head := make([]byte, 9)
						if _, err := io.ReadFull(conn, head); err != nil {
							return
						}
						_, _ = io.CopyN(io.Discard, conn, int64(head[1])<<8|int64(head[2]))
						if head[3] == headers {
							break
						}
					}
					_, _ = io.WriteString(conn, reply)
					_ = conn.(*net.TCPConn).CloseWrite()
				}
			}()
			var d apitest.Diary
			client := apitest.At(t, "http://"+listener.Addr().String(), d.Hooks(), trusthub.WithHTTPClient(&http.Client{Transport: &http.Transport{Protocols: apitest.OnlyHTTP2()}}))
			_, err = client.FetchCustomerProfile(t.Context(), sid)
			if strings.Contains(strings.ToUpper(err.Error()), "SECRET") || d.Calls[0].Reason != trusthub.ReasonReset || !trusthub.IsRetryable(err) {
				t.Errorf("got %v, reason %s", err, d.Calls[0].Reason)
			}
			t.Log(err)
		})
	}
}
