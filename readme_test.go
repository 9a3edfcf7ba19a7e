package trusthub_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/internal/selfsigned"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Go code in the README and in docs/ is part of the file named above it. Other tests compile and
// run these files.
func TestREADMEShowsRealCode(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := readFile(t, "README.md")
	for _, page := range pages {
		readme += readFile(t, page)
	}
	blocks := regexp.MustCompile("(?s)(?:<!-- (\\S+) -->\n)?```go\n(.*?)```").FindAllStringSubmatch(readme, -1)
	if len(blocks) == 0 {
		t.Fatal("no Go in the README")
	}
	for _, block := range blocks {
		name, code := block[1], block[2]
		if name == "" {
			t.Errorf("no file is named above:\n%s", code)
			continue
		}
		file := readFile(t, name)
		indented := regexp.MustCompile("(?m)^(.)").ReplaceAllString(code, "\t$1")
		if strings.HasPrefix(code, "package ") && code != file || !strings.Contains(file, code) && !strings.Contains(file, indented) {
			t.Errorf("%s has no such code:\n%s", name, code)
		}
	}
}

// The programs of the README run unchanged. Their environment leads them to a fake in place of
// Twilio.
func TestREADMEProgramsRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SSL_CERT_FILE has no effect on this system")
	}
	environment := append(os.Environ(), impersonateTwilio(t)...)
	for name, want := range map[string]string{
		"fetch":     "friendly_name is draft\n",
		"generated": "status: draft\norigins: *\n",
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("go", "run", "./internal/readme/"+name)
			cmd.Env = environment
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// impersonateTwilio serves the fake as https://trusthub.twilio.com behind a proxy. It returns the
// environment for a program that uses it.
func impersonateTwilio(t *testing.T) []string {
	t.Helper()
	certificate, err := selfsigned.New("trusthub.twilio.com", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	twilio := httptest.NewUnstartedServer(trusthubtest.NewHandler())
	twilio.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	twilio.StartTLS()
	t.Cleanup(twilio.Close)
	proxy := apitest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "trusthub.twilio.com:443" {
			t.Errorf("unexpected request: %s %s", r.Method, r.Host)
			return
		}
		tunnel(t, w, twilio.Listener.Addr().String())
	})
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"HTTPS_PROXY=" + proxy, "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE=" + trusted,
		"TWILIO_API_KEY=", "TWILIO_API_SECRET=", "TWILIO_EDGE=", "TWILIO_REGION=",
		"TWILIO_ACCOUNT_SID=" + trusthubtest.Username, "TWILIO_AUTH_TOKEN=" + trusthubtest.Password,
	}
}

// tunnel answers a CONNECT request with a connection to addr.
func tunnel(t *testing.T, w http.ResponseWriter, addr string) {
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer server.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(server, client) }()
	_, _ = io.Copy(client, server)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
