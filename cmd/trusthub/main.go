// Command trusthub fetches and watches Twilio Trust Hub Customer Profiles, validates responses of
// the API, and serves a fake of it.
//
// It exits with 0 on success, 1 when something could not be fetched, 2 on wrong use, 3 when a
// watched profile is rejected, 4 when a response breaks the contract, and 5 when some SIDs have no
// profile for good. SIGINT and SIGTERM end it by themselves, which a shell reports as 130 and 143,
// after it has printed its last lines.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	ctx := untilSignal()
	exit(ctx, run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRejected = 3
	exitBroken   = 4
	exitFinal    = 5
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	var end failure
	switch {
	case err == nil:
		return exitOK
	case !errors.As(err, &end):
		fmt.Fprintf(stderr, "%v\nRun '%s --help' for usage.\n", err, cmd.CommandPath())
		return exitUsage
	case end.err != nil:
		fmt.Fprintln(stderr, "trusthub:", end.err)
	}
	return end.code
}

// failure ends a command with an exit code. Its error is nil if everything is printed already. Any
// other error means wrong use.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return fmt.Sprint(f.err) }

func (f failure) Unwrap() error { return f.err }

// failed returns the failure for err, with exit code 1; nil for nil.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failure{exitFailed, err}
}
