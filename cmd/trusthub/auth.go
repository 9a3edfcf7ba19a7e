package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
)

func newAuthStatusCommand() *cobra.Command {
	var from connection
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which credentials are used, and try them",
		Long: "Show the variables of the credentials and the address of requests, and try the credentials with\n" +
			"one request. Its SID is made up: a 404 of Twilio shows that the credentials are accepted. No\n" +
			"secret is printed.\n\n" +
			exitCodes("0 the credentials can fetch profiles", "1 they cannot, or Twilio did not answer", "2 wrong use"),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var where string
			client, stop, err := from.client(cmd.ErrOrStderr(), trusthub.WithHooks(trusthub.Hooks{
				CallStart: func(ctx context.Context, info trusthub.CallInfo) context.Context {
					where = info.Scheme + "://" + info.Host
					return ctx
				},
			}))
			if err != nil {
				return err
			}
			defer stop()
			var response trusthub.Response
			_, err = client.FetchCustomerProfile(cmd.Context(), "BU"+strings.Repeat("0", 32), trusthub.WithResponseInto(&response))
			result, ok := tried(err, response)
			writeAuthStatus(cmd.OutOrStdout(), from.credentials(), where, result)
			if !ok {
				return failure{code: exitFailed}
			}
			return nil
		},
	}
	from.addFlags(cmd)
	return cmd
}

// tried describes the response to a request with the credentials. ok means that they are
// accepted.
func tried(err error, response trusthub.Response) (result string, ok bool) {
	status := fmt.Sprintf("status %d, request %s", response.StatusCode, orDash(response.RequestID))
	switch {
	case err == nil || errors.Is(err, trusthub.ErrNotFound):
		return "accepted (" + status + ")", true
	case errors.Is(err, trusthub.ErrUnauthorized):
		return "rejected (" + status + ")", false
	case errors.Is(err, trusthub.ErrForbidden):
		return "accepted, without the permission to fetch profiles (" + status + ")", false
	}
	return err.Error(), false
}

func writeAuthStatus(w io.Writer, used []string, where, result string) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	kind := "Account SID and auth token"
	switch {
	case used == nil:
		used, kind = []string{"the fake's own"}, "of the process"
	case used[0] == "TWILIO_API_KEY":
		kind = "API key and its secret"
	}
	fmt.Fprintf(table, "Credentials\t%s (%s)\n", strings.Join(used, " and "), kind)
	if used[0] == "TWILIO_API_KEY" && os.Getenv("TWILIO_AUTH_TOKEN") != "" {
		fmt.Fprintf(table, "Not used\tTWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, since an API key is set\n")
	}
	fmt.Fprintf(table, "Address\t%s\n", where)
	fmt.Fprintf(table, "Result\t%s\n", result)
	_ = table.Flush()
}

// credentials returns the variables that hold the credentials; nil for the fake's own.
func (c *connection) credentials() []string {
	switch {
	case c.fake:
		return nil
	case os.Getenv("TWILIO_API_KEY") != "":
		return []string{"TWILIO_API_KEY", "TWILIO_API_SECRET"}
	}
	return []string{"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"}
}

// nameCredentials prints a line at the first 401 of Twilio.
func (c *connection) nameCredentials(stderr io.Writer) trusthub.Option {
	var once sync.Once
	return trusthub.WithHooks(trusthub.Hooks{AttemptDone: func(_ context.Context, info trusthub.AttemptInfo) {
		if info.StatusCode == http.StatusUnauthorized && errors.Is(info.Err, trusthub.ErrUnauthorized) {
			once.Do(func() {
				fmt.Fprintf(stderr, "trusthub: Twilio rejects the credentials of %s: see trusthub auth status\n", strings.Join(c.credentials(), " and "))
			})
		}
	}})
}
