package transport_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub/internal/transport"
)

func replaceDefaultTransport(t *testing.T, transport http.RoundTripper) {
	t.Helper()
	standard := http.DefaultTransport
	http.DefaultTransport = transport
	t.Cleanup(func() { http.DefaultTransport = standard })
}

// Default keeps the settings of a replaced http.DefaultTransport and does not change it. Its own
// transport supports HTTP/2 and modern TLS.
func TestDefaultSpeaksHTTP2AndModernTLS(t *testing.T) {
	var protocol string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { protocol = r.Proto }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for name, test := range map[string]struct {
		standard http.RoundTripper
		oldest   uint16 // version of TLS
	}{
		"default":       {http.DefaultTransport, tls.VersionTLS12},
		"none":          {nil, tls.VersionTLS12},
		"a new one":     {new(http.Transport), tls.VersionTLS12},
		"with a dialer": {&http.Transport{DialContext: new(net.Dialer).DialContext}, tls.VersionTLS12},
		"with TLS 1.0":  {&http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS10}}, tls.VersionTLS12},
		"with TLS 1.3":  {&http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13}}, tls.VersionTLS13},
	} {
		t.Run(name, func(t *testing.T) {
			replaceDefaultTransport(t, test.standard)
			next, own := transport.Default(time.Minute)
			if next != own || own == test.standard {
				t.Fatalf("got %v and %v", next, own)
			}
			if config := own.TLSClientConfig; config.MinVersion != test.oldest || config.ClientSessionCache == nil {
				t.Errorf("TLS is not configured: %x", config.MinVersion)
			}
			own.TLSClientConfig.RootCAs = roots
			defer own.CloseIdleConnections()
			response, err := (&http.Client{Transport: next}).Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if protocol != "HTTP/2.0" {
				t.Errorf("got %s", protocol)
			}
			if theirs, ok := test.standard.(*http.Transport); ok && theirs.TLSClientConfig != nil &&
				(theirs.TLSClientConfig.RootCAs != nil || theirs.TLSClientConfig.ClientSessionCache != nil) {
				t.Error("http.DefaultTransport was changed")
			}
		})
	}
}

// Default keeps the certificate authorities of http.DefaultTransport.
func TestDefaultKeepsTLSConfiguration(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	replaceDefaultTransport(t, server.Client().Transport)
	next, own := transport.Default(time.Minute)
	defer own.CloseIdleConnections()
	response, err := (&http.Client{Transport: next}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

// The transport has timeouts and idle connections, also when http.DefaultTransport is nil.
func TestDefaultHasTimeouts(t *testing.T) {
	for _, standard := range []http.RoundTripper{http.DefaultTransport, nil} {
		replaceDefaultTransport(t, standard)
		_, own := transport.Default(time.Minute)
		if own.TLSHandshakeTimeout != 10*time.Second || own.IdleConnTimeout != 90*time.Second || own.DialContext == nil || own.Proxy == nil ||
			own.MaxIdleConns != 256 || own.MaxIdleConnsPerHost != 256 {
			t.Errorf("got %+v", own)
		}
	}
}

type mock struct{ http.RoundTripper }

// A mock or tracer that replaces http.DefaultTransport is used unchanged.
func TestDefaultThatWasReplaced(t *testing.T) {
	theirs := mock{http.NewFileTransport(nil)}
	replaceDefaultTransport(t, theirs)
	if next, own := transport.Default(time.Minute); next != http.RoundTripper(theirs) || own != nil {
		t.Errorf("got %v and %v", next, own)
	}
}

// The ping times depend on the timeout of an attempt: together at most half of it, and not too
// short for servers. Settings of the program are kept.
func TestHealthChecksFollowTheTimeout(t *testing.T) {
	for _, test := range []struct{ timeout, send, wait time.Duration }{
		{30 * time.Second, 10 * time.Second, 5 * time.Second}, // default timeout
		{time.Hour, 10 * time.Second, 5 * time.Second},
		{12 * time.Second, 4 * time.Second, 2 * time.Second},
		{4500 * time.Millisecond, 1500 * time.Millisecond, time.Second},
		{time.Nanosecond, time.Second, time.Second},
	} {
		_, own := transport.Default(test.timeout)
		if got := own.HTTP2; got.SendPingTimeout != test.send || got.PingTimeout != test.wait {
			t.Errorf("%v: ping after %v, closed after %v more", test.timeout, got.SendPingTimeout, got.PingTimeout)
		}
	}
	theirs := &http.HTTP2Config{SendPingTimeout: time.Minute, PingTimeout: time.Hour, MaxReadFrameSize: 1 << 20}
	replaceDefaultTransport(t, &http.Transport{HTTP2: theirs})
	if _, own := transport.Default(30 * time.Second); !reflect.DeepEqual(own.HTTP2, theirs) || own.HTTP2 == theirs {
		t.Errorf("got %+v", own.HTTP2)
	}
}
