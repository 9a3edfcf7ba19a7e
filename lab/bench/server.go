package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed07fc1495/trusthub/internal/selfsigned"
	"github.com/seed07fc1495/trusthub/lab/answers"
)

// server runs in its own process, so that its processor time is not part of the client's.
type server struct {
	HTTP, HTTP1, HTTP2 string // addresses: plain, TLS with HTTP/1.1, TLS with HTTP/2
	Folder             string
	process            *exec.Cmd
}

func startServer() (*server, error) {
	s := &server{process: exec.Command(os.Args[0], "-serve")} //nolint:gosec // G204: itself
	s.process.Stderr = os.Stderr
	// The pipe is closed when this process ends, and then the server ends.
	if _, err := s.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, s); err != nil {
		return nil, err
	}
	// The environment configures the certificate, because each client keeps its own transport.
	return s, os.Setenv("SSL_CERT_FILE", filepath.Join(s.Folder, "ca.pem"))
}

func (s *server) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	_ = os.RemoveAll(s.Folder)
}

// connections returns the number of TLS connections opened so far.
func (s *server) connections() (int, error) {
	answer, err := http.Get(s.HTTP + "/connections")
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// hold is the duration of a request under /slow.
const hold = 5 * time.Millisecond

func beServer() error {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	certificate, err := selfsigned.New("127.0.0.1", time.Now().Add(24*time.Hour))
	if err != nil {
		return err
	}
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Leaf.Raw})
	if err := os.WriteFile(filepath.Join(folder, "ca.pem"), trusted, 0o600); err != nil {
		return err
	}
	example := answers.Example()
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(example)
	}
	var connections atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/", answer)
	mux.HandleFunc("/slow/v1/", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(hold)
		answer(w, r)
	})
	mux.HandleFunc("/connections", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, connections.Load()) })
	count := func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s := server{Folder: folder}
	for _, one := range []struct {
		address   *string
		protocols []string
	}{{&s.HTTP, nil}, {&s.HTTP1, []string{"http/1.1"}}, {&s.HTTP2, []string{"h2", "http/1.1"}}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		web := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
		if one.protocols == nil {
			*one.address = "http://" + listener.Addr().String()
			go func() { _ = web.Serve(listener) }()
			continue
		}
		*one.address = "https://" + listener.Addr().String()
		web.ConnState = count
		web.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: one.protocols, MinVersion: tls.VersionTLS12}
		web.Protocols = new(http.Protocols)
		web.Protocols.SetHTTP1(true)
		web.Protocols.SetHTTP2(one.protocols[0] == "h2")
		go func() { _ = web.ServeTLS(listener, "", "") }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
