package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// connection has the flags for the address and the credentials.
type connection struct {
	fake, plainHTTP, verbose bool
	baseURL                  string
	timeout                  time.Duration
	retries                  int
	outage                   *outageReporter // reports outages of the client
}

func (c *connection) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&c.fake, "fake", false, "fetch from a fake server inside this process, with the documented example")
	flags.StringVar(&c.baseURL, "base-url", "", "fetch from this address instead of Twilio's")
	flags.BoolVar(&c.plainHTTP, "plain-http", false, "permit http for a --base-url on another machine; never with real credentials")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "the longest time for one attempt")
	flags.IntVar(&c.retries, "retries", 2, "how often a failed attempt is retried")
	flags.BoolVar(&c.verbose, "verbose", false, "log each attempt on standard error")
	cmd.MarkFlagsMutuallyExclusive("fake", "base-url")
}

// client returns a client, and a function that stops everything it started.
func (c *connection) client(stderr io.Writer, opts ...trusthub.Option) (*trusthub.Client, func(), error) {
	if c.retries < 0 {
		return nil, nil, fmt.Errorf("trusthub: --retries: %d is negative", c.retries)
	}
	opts = append(opts, trusthub.WithTimeout(c.timeout),
		trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: c.retries + 1}))
	c.outage = &outageReporter{Handler: slog.DiscardHandler, w: stderr}
	if c.verbose {
		c.outage.Handler = slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	opts = append(opts, trusthub.WithLogger(slog.New(c.outage)))
	if !c.fake {
		opts = append(opts, c.nameCredentials(stderr))
	}
	if c.plainHTTP {
		opts = append(opts, trusthub.WithPlainHTTP())
	}
	if c.fake {
		return newFakeClient(opts)
	}
	if c.baseURL != "" {
		opts = append(opts, trusthub.WithBaseURL(c.baseURL))
	}
	client, err := trusthub.NewClientFromEnv(opts...)
	if err != nil {
		if _, ok := errors.AsType[*trusthub.OptionError](err); ok {
			return nil, nil, inFlags(err)
		}
		return nil, nil, fmt.Errorf("%w\nOr try --fake, which needs neither credentials nor a network", err)
	}
	return client, func() {}, nil
}

// newFakeClient starts a fake server on loopback and returns a client of it.
func newFakeClient(opts []trusthub.Option) (*trusthub.Client, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, failed(err)
	}
	fake := &http.Server{Handler: trusthubtest.NewHandler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = fake.Serve(listener) }() // returns ErrServerClosed
	stop := func() { _ = fake.Close() }
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		append(opts, trusthub.WithBaseURL("http://"+listener.Addr().String()))...)
	if err != nil {
		stop()
		return nil, nil, inFlags(err)
	}
	return client, stop, nil
}

// inFlags adds the flag's name to the error of an option.
func inFlags(err error) error {
	option, ok := errors.AsType[*trusthub.OptionError](err)
	if !ok {
		return err
	}
	flag := map[string]string{
		"WithMaxConcurrency": "--concurrency", "WithTimeout": "--timeout", "WithPlainHTTP": "--plain-http",
		"WithBaseURL": "--base-url", "WithMaxOutage": "--max-outage",
	}[option.Option]
	if flag == "" {
		return err
	}
	return fmt.Errorf("trusthub: %s: %w", flag, option.Err)
}
