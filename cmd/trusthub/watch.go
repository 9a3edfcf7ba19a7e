package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
)

func newWatchCommand() *cobra.Command {
	var from server
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "watch SID",
		Short: "Print each change of a Customer Profile until it is approved or rejected",
		Long: "Print each change of a Customer Profile with its time.\n" +
			"Exits with 0 when the profile is twilio-approved and with 3 when it is twilio-rejected.",
		Example: "  trusthub watch BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --every 10m",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if every <= 0 {
				return fmt.Errorf("trusthub: --every %v is not positive", every)
			}
			client, stop, err := from.client()
			if err != nil {
				return err
			}
			defer stop()
			return watch(cmd.Context(), client, args[0], every, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	from.addFlags(cmd)
	cmd.Flags().DurationVar(&every, "every", time.Minute, "how often to ask")
	return cmd
}

// errRejected is how a watch ends that waited in vain.
var errRejected = errors.New("the profile was rejected")

func watch(ctx context.Context, client *trusthub.Client, sid string, every time.Duration, stdout, stderr io.Writer) error {
	var before []row
	var last error
	for profile, err := range client.WatchCustomerProfile(ctx, sid, every) {
		last = err
		if err != nil {
			fmt.Fprintln(stderr, err)
			continue
		}
		now := rows(profile)
		for _, change := range changes(before, now) {
			if _, err := fmt.Fprintf(stdout, "%s  %s\n", time.Now().UTC().Format(time.RFC3339), change); err != nil {
				return failure{err}
			}
		}
		before = now
		switch profile.Status {
		case trusthub.StatusTwilioApproved:
			return nil
		case trusthub.StatusTwilioRejected:
			return errRejected
		}
	}
	if errors.Is(last, trusthub.ErrInvalidSID) {
		return errors.New("trusthub: the SID is malformed")
	}
	return failure{errors.New("the watch ended before the review")}
}

// changes tells what is new, attribute by attribute; at first, what the profile is.
func changes(before, now []row) (lines []string) {
	for _, r := range now {
		was := slices.IndexFunc(before, func(b row) bool { return b.key == r.key })
		switch {
		case slices.Contains(before, r):
		case before == nil || was < 0:
			lines = append(lines, r.key+": "+r.value)
		default:
			lines = append(lines, r.key+": "+before[was].value+" -> "+r.value)
		}
	}
	for _, b := range before {
		if !slices.ContainsFunc(now, func(r row) bool { return r.key == b.key }) {
			lines = append(lines, b.key+": "+b.value+" -> -")
		}
	}
	return lines
}
