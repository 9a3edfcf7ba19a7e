package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/fakeserver"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func newServeCommand() *cobra.Command {
	var address, profiles string
	var config fakeserver.Config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a fake Trust Hub, for programs in any language",
		Long: "Serve a fake Trust Hub over HTTP, which knows the documented example and the profiles of a file, until a signal ends it.\n" +
			"It accepts the username " + trusthubtest.Username + " and the password " + trusthubtest.Password + ",\n" +
			"and writes a line a request to standard error.\n\n" +
			"Requests under /_fake/ steer it: PUT profiles/{sid}, POST faults, PUT limit, GET requests, POST reset, GET health;\n" +
			"with --callbacks, PUT callbacks and GET callbacks; PUT accounts/{sid}.\n" +
			"docs/FAKE.md in the repository has them with curl.\n\n" +
			exitCodes("1 the address is not to be had", "2 wrong use"),
		Example: "  trusthub serve --profiles profiles.json --limit 10 --latency 50ms\n  trusthub serve --addr :8080 # in a container",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config.Limit < 0 || config.Latency < 0 {
				return errors.New("trusthub: --limit and --latency are not negative")
			}
			var err error
			if config.Profiles, err = readProfiles(profiles); err != nil {
				return err
			}
			config.Log = cmd.ErrOrStderr()
			return serve(cmd.Context(), address, fakeserver.New(config), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&address, "addr", "127.0.0.1:8080", "where to listen; port 0 is any free one")
	cmd.Flags().StringVar(&profiles, "profiles", "", "know the profiles in this file too: JSON, an array or one a line")
	cmd.Flags().IntVar(&config.Limit, "limit", 0, "answer 429 beyond so many requests at a time; 0: no limit")
	cmd.Flags().BoolVar(&config.CallBack, "callbacks", false, "call the status_callback of a profile whose status is changed, signed with the auth token, or as PUT /_fake/callbacks says")
	cmd.Flags().DurationVar(&config.Latency, "latency", 0, "how long every answer takes, such as 50ms")
	return cmd
}

func readProfiles(name string) ([]trusthub.CustomerProfile, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name) //nolint:gosec // G304: the user's own
	if err != nil {
		return nil, fmt.Errorf("trusthub: --profiles: %w", err)
	}
	defer func() { _ = file.Close() }()
	profiles, err := fakeserver.ReadProfiles(file)
	if err != nil {
		return nil, fmt.Errorf("trusthub: --profiles: %s: %w", name, err)
	}
	return profiles, nil
}

// serve ends when ctx does, and with it what is under way.
func serve(ctx context.Context, address string, handler http.Handler, stderr io.Writer) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(stderr, "trusthub: a fake Trust Hub is at http://%s, for username %s and password %s\n",
		listener.Addr(), trusthubtest.Username, trusthubtest.Password)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return failed(err)
	}
	return nil
}
