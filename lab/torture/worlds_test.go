package torture

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/selfsigned"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// newPlain returns a server with a direct connection.
func newPlain(t *testing.T, handler http.Handler) *world {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	return &world{baseURL: "http://" + listener.Addr().String(), stop: func() { _ = server.Close() }}
}

// newBadConnections returns a server behind toxiproxy, which damages connections and sometimes
// stops.
func newBadConnections(t *testing.T, random *rand.Rand, handler http.Handler) *world {
	t.Helper()
	server := newPlain(t, handler)
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "line", "127.0.0.1:0",
		strings.TrimPrefix(server.baseURL, "http://"))
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	toxics := []string{
		`{"type":"latency","attributes":{"latency":100,"jitter":100}}`,
		`{"type":"bandwidth","attributes":{"rate":2}}`,
		`{"type":"slow_close","attributes":{"delay":300}}`,
		`{"type":"timeout","attributes":{"timeout":100}}`,
		`{"type":"reset_peer","attributes":{"timeout":1}}`,
		`{"type":"slicer","attributes":{"average_size":40,"size_variation":20,"delay":200}}`,
		`{"type":"limit_data","attributes":{"bytes":700}}`,
	}
	down := false
	return &world{
		baseURL: "http://" + proxy.Listen,
		harm: func() string {
			i := random.IntN(len(toxics) + 1)
			if down = i == len(toxics); down {
				proxy.Stop()
				return "server stopped"
			}
			if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxics[i])); err != nil {
				t.Error(err)
			}
			return strings.Split(toxics[i], `"`)[3]
		},
		heal: func() {
			if down {
				if err := proxy.Start(); err != nil {
					t.Error(err)
				}
				down = false
			}
			proxy.Toxics.ResetToxics(context.Background())
		},
		stop: func() { proxy.Stop(); server.stop() },
	}
}

// newGoAway returns a server that shuts down gracefully and starts again at the same address, so
// that HTTP/2 connections get a GOAWAY.
func newGoAway(t *testing.T, _ *rand.Rand, handler http.Handler) *world {
	t.Helper()
	certificate, roots := selfSigned(t, time.Now().Add(time.Hour), "127.0.0.1")
	var current atomic.Pointer[http.Server]
	start := func(address string) string {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			return address
		}
		server := &http.Server{
			Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		}
		current.Store(server)
		go func() { _ = server.ServeTLS(listener, "", "") }()
		return listener.Addr().String()
	}
	address := start("127.0.0.1:0")
	down := false
	shutdown := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		server := current.Load()
		_ = server.Shutdown(ctx) // sends GOAWAY and waits for requests in flight
		_ = server.Close()
	}
	return &world{
		baseURL: "https://" + address, roots: roots,
		harm: func() string { shutdown(); down = true; return "GOAWAY" },
		heal: func() {
			if down {
				start(address)
			}
			down = false
		},
		stop: func() { _ = current.Load().Close() },
	}
}

// A certificate that is expired or for another name is an error at once. No request is sent.
func TestBadCertificates(t *testing.T) {
	for name, certificate := range map[string]func() (tls.Certificate, *x509.CertPool){
		"wrong name": func() (tls.Certificate, *x509.CertPool) {
			return selfSigned(t, time.Now().Add(time.Hour), "127.0.0.2")
		},
		"expired": func() (tls.Certificate, *x509.CertPool) {
			return selfSigned(t, time.Now().Add(-time.Hour), "127.0.0.1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			cert, roots := certificate()
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
			if err != nil {
				t.Fatal(err)
			}
			fake := trusthubtest.NewHandler()
			server := &http.Server{Handler: fake, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
			go func() { _ = server.Serve(listener) }()
			defer func() { _ = server.Close() }()
			client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
				trusthub.WithBaseURL(fmt.Sprint("https://", listener.Addr())),
				trusthub.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}),
				// A retry would take an hour.
				trusthub.WithRetry(trusthub.RetryPolicy{MinWait: time.Hour, MaxWait: time.Hour}))
			if err != nil {
				t.Fatal(err)
			}
			if profile, err := client.FetchCustomerProfile(t.Context(), sid(1)); profile != nil || err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("got %v, %v", profile, err)
			}
			if n := len(fake.Requests()); n > 0 {
				t.Errorf("%d requests sent", n)
			}
		})
	}
}

func selfSigned(t *testing.T, until time.Time, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	certificate, err := selfsigned.New(host, until)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	return certificate, roots
}
