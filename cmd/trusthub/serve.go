package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/fakeserver"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func newServeCommand() *cobra.Command {
	var address, profiles, accounts string
	var config fakeserver.Config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a fake Trust Hub, for programs in any language",
		Long: "Serve a fake Trust Hub over HTTP until a signal ends it. It has the documented example and the\n" +
			"profiles of a file. Its address is the first line of standard output. Standard error gets a line for\n" +
			"each request.\n\n" +
			"Username: " + trusthubtest.Username + "\nPassword: " + trusthubtest.Password + "\n\n" +
			"Requests under /_fake/ control it: GET, PUT, PATCH and DELETE profiles/{sid}; POST and DELETE\n" +
			"faults; PUT limit; GET requests; POST reset; GET health; PUT accounts/{sid}; with --callbacks, PUT\n" +
			"and GET callbacks. docs/FAKE.md in the repository has examples with curl.\n\n" +
			exitCodes("1 cannot listen on the address", "2 wrong use"),
		Example: "  trusthub serve --profiles profiles.json --limit 10 --latency 50ms\n  trusthub serve --addr :8080 # in a container",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config.Limit < 0 || config.Latency < 0 {
				return errors.New("trusthub: --limit and --latency are not negative")
			}
			config.Log = cmd.ErrOrStderr()
			if err := readProfiles(profiles, &config); err != nil {
				return fmt.Errorf("trusthub: --profiles: %w", err)
			}
			if err := readAccounts(accounts, &config); err != nil {
				return fmt.Errorf("trusthub: --accounts: %w", err)
			}
			return serve(cmd.Context(), address, fakeserver.New(config), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&address, "addr", "127.0.0.1:8080", "the address to listen on; port 0 is any free port")
	cmd.Flags().StringVar(&profiles, "profiles", "", "add the profiles in this file: a JSON array, or objects one after the other")
	cmd.Flags().StringVar(&accounts, "accounts", "", `accept the accounts in this file: JSON, such as {"AC…": "auth token"}`)
	cmd.Flags().IntVar(&config.Limit, "limit", 0, "answer 429 to more requests at a time; 0: no limit")
	cmd.Flags().BoolVar(&config.CallBack, "callbacks", false, "call the status_callback of a profile after a change of its status")
	cmd.Flags().DurationVar(&config.Latency, "latency", 0, "the time of each response except 429s of --limit, such as 50ms")
	return cmd
}

func readProfiles(name string, config *fakeserver.Config) error {
	if name == "" {
		return nil
	}
	file, err := os.Open(name) //nolint:gosec // G304: the user's own
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var unknown []string
	if config.Profiles, unknown, err = fakeserver.ReadProfiles(file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(unknown) > 0 {
		fmt.Fprintf(config.Log, "trusthub: %s: not documented, and left out: %q\n", name, unknown)
	}
	return nil
}

func readAccounts(name string, config *fakeserver.Config) error {
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // G304: the user's own
	if err != nil {
		return err
	}
	if json.Unmarshal(text, &config.Accounts) != nil || len(config.Accounts) == 0 {
		return fmt.Errorf(`%s: want a JSON object of auth tokens by Account SID, such as {"AC…": "…"}`, name)
	}
	for sid, token := range config.Accounts {
		if sid == "" || token == "" {
			return fmt.Errorf("%s: an Account SID or a token is empty", name)
		}
	}
	return nil
}

// serve serves until ctx ends. Requests in progress are broken off.
func serve(ctx context.Context, address string, handler http.Handler, stdout, stderr io.Writer) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(stdout, "http://%s\n", listener.Addr())
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
