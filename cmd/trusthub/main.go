// Command trusthub fetches and watches Twilio Trust Hub Customer Profiles and checks what the API answers.
//
// It exits with 0 on success, 1 on an error of the API or the network or a broken contract, 2 on
// wrong use, and 3 when a profile that it watches is rejected.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRejected = 3
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cmd := newRootCommand()
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	var failed failure
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errRejected):
		return exitRejected
	case errors.As(err, &failed):
		fmt.Fprintln(stderr, "trusthub:", failed.error)
		return exitFailed
	default:
		fmt.Fprintf(stderr, "%v\nRun 'trusthub --help' for usage.\n", err)
		return exitUsage
	}
}

// failure is an error of the API or the network; every other error of a command is wrong use.
type failure struct{ error }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "trusthub",
		Short: "Fetch, watch and check Twilio Trust Hub Customer Profiles",
		Long: "Fetch, watch and check Twilio Trust Hub Customer Profiles.\n\n" +
			"Credentials come from TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and TWILIO_API_SECRET.\n" +
			"Exit codes: 0 success, 1 an error of the API or the network or a broken contract, 2 wrong use, 3 a rejected profile.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newFetchCommand(), newWatchCommand(), newCheckCommand())
	return root
}

// server is where the commands fetch from, as flags say.
type server struct {
	fake    bool
	baseURL string
}

func (s *server) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.fake, "fake", false, "fetch from a fake server inside this process, which knows the documented example")
	cmd.Flags().StringVar(&s.baseURL, "base-url", "", "fetch from this address in place of Twilio's")
	cmd.MarkFlagsMutuallyExclusive("fake", "base-url")
}

// client returns a client of the server, and a function that ends what it started.
func (s *server) client(opts ...trusthub.Option) (*trusthub.Client, func(), error) {
	if s.fake {
		return newFakeClient(opts...)
	}
	if s.baseURL != "" {
		opts = append(opts, trusthub.WithBaseURL(s.baseURL))
	}
	client, err := trusthub.NewClientFromEnv(opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("%w\nOr try --fake, which needs neither credentials nor a network", err)
	}
	return client, func() {}, nil
}
