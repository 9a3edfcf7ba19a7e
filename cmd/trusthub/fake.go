package main

import (
	"net"
	"net/http"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// newFakeClient starts a fake server on loopback and returns a client of it.
func newFakeClient(opts ...trusthub.Option) (*trusthub.Client, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, failure{err}
	}
	fake := &http.Server{Handler: trusthubtest.NewHandler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = fake.Serve(listener) }() // ends with ErrServerClosed
	stop := func() { _ = fake.Close() }
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		append(opts, trusthub.WithBaseURL("http://"+listener.Addr().String()))...)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return client, stop, nil
}
