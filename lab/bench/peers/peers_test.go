package peers_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	realhttp2 "golang.org/x/net/http2"

	"github.com/seed07fc1495/trusthub/internal/transport"
	"github.com/seed07fc1495/trusthub/lab/answers"
	"github.com/seed07fc1495/trusthub/lab/bench/peers"
	"github.com/seed07fc1495/trusthub/lab/bench/peers/http2"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// All peers fetch a profile with their own or a given transport, and return an error for a 404.
func TestPeersFetch(t *testing.T) {
	for name, body := range bodies() {
		for status, ok := range map[int]bool{200: true, 404: false} {
			answer := http2.Memory(status, body)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write(body)
			}))
			defer server.Close()
			for _, peer := range peers.Retrying() {
				for _, given := range []http.RoundTripper{nil, answer} {
					fetch, err := peer.New(server.URL, given)
					if err != nil {
						t.Fatal(err)
					}
					if sid, err := fetch(t.Context(), trusthubtest.ExampleSID); (err == nil) != ok || ok && sid != trusthubtest.ExampleSID {
						t.Errorf("%s of %s: got %q, %v", name, peer.Name, sid, err)
					}
				}
			}
		}
	}
}

// The SDK and net/http treat the transport of the benchmark like the real one.
func TestHeedsContext(t *testing.T) {
	if !transport.HeedsContext(new(http2.Transport)) || !transport.HeedsContext(new(realhttp2.Transport)) { //nolint:staticcheck // SA1019: programs have it
		t.Error("HeedsContext is false")
	}
}

func BenchmarkMemory(b *testing.B) {
	for name, body := range bodies() {
		for _, peer := range peers.All() {
			fetch, err := peer.New("http://127.0.0.1", http2.Memory(200, body))
			if err != nil {
				b.Fatal(err)
			}
			b.Run(name+"/"+peer.Name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := fetch(b.Context(), trusthubtest.ExampleSID); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func bodies() map[string][]byte {
	return map[string][]byte{"example": answers.Example(), "approved": answers.Approved()}
}
