package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/sidfile"
	"github.com/seed07fc1495/trusthub/internal/properties"
	"github.com/seed07fc1495/trusthub/internal/text"
)

func newWatchCommand() *cobra.Command {
	var from connection
	var t tracking
	var output string
	cmd := &cobra.Command{
		Use:   "watch SID... | --from FILE",
		Short: "Print changes of Customer Profiles, of one until it is approved or rejected",
		Long: "Print the status of a Customer Profile, and then each change with its time, until it is approved\n" +
			"or rejected. -o ndjson prints the whole profile, at first and after each change.\n\n" +
			"With many SIDs, or with --state or --callbacks, print a line for each change, or an object with -o\n" +
			"ndjson, in order for each SID. Many SIDs are watched until a signal ends the command. Each sweep\n" +
			"reads a file of SIDs again.\n\n" +
			exitCodes("0 the profile is twilio-approved", "1 the watch ended for another reason", "2 wrong use", "3 the profile is twilio-rejected"),
		Example: "  trusthub watch BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --every 10m\n" +
			"  trusthub watch --from sids.txt --state results.ndjson # a file of fetch --resume",
		RunE: func(cmd *cobra.Command, args []string) error {
			show, ok := map[string]display{"text": new(changeLog), "ndjson": profileLines{}}[output]
			switch err := t.in.check(args); {
			case err != nil:
				return err
			case !ok:
				return fmt.Errorf("trusthub: unknown output %q: use text or ndjson", output)
			case cmd.Flags().Changed("every") && t.every <= 0:
				return fmt.Errorf("trusthub: --every: %v is not positive", t.every)
			case (t.address == "") != (t.public == ""):
				return errors.New("trusthub: --callbacks and --public-url belong together")
			}
			client, stop, err := from.client(cmd.ErrOrStderr(), namesRejected(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			defer stop()
			t.args, t.ndjson, t.single = args, output == "ndjson", len(args) == 1 && !t.in.isMany(args)
			if t.every == 0 {
				t.every = map[bool]time.Duration{true: time.Minute, false: time.Hour}[t.single]
			}
			if t.single && t.state == "" && t.address == "" {
				sid, _ := sidfile.Trim(args[0])
				return watch(cmd.Context(), client, sid, t.every, show, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			t.stdin, t.stdout, t.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return t.run(cmd.Context(), client)
		},
	}
	from.addFlags(cmd)
	t.in.addFlags(cmd)
	cmd.Flags().DurationVar(&t.every, "every", 0, "the time between polls (default 1m for one SID, 1h for many)")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or ndjson")
	cmd.Flags().StringVar(&t.state, "state", "", "compare with the results in this file, of watch or of fetch --resume, and add changes to it")
	cmd.Flags().StringVar(&t.address, "callbacks", "", "receive status callbacks at this address, such as :8080, with the keys of callback explain")
	cmd.Flags().StringVar(&t.public, "public-url", "", "the URL by which Twilio reaches --callbacks")
	return cmd
}

// namesRejected prints a line about each callback that was rejected, except probes.
func namesRejected(stderr io.Writer) trusthub.Option {
	return trusthub.WithHooks(trusthub.Hooks{CallbackDone: func(_ context.Context, info trusthub.CallbackInfo) {
		if info.Status >= http.StatusBadRequest && info.Reason != "no_signature" {
			fmt.Fprintf(stderr, "trusthub: a callback was answered %d: %s\n", info.Status, info.Reason)
		}
	}})
}

func watch(ctx context.Context, client *trusthub.Client, sid string, every time.Duration, show display, stdout, stderr io.Writer) error {
	var last error
	for profile, err := range client.WatchCustomerProfile(ctx, sid, every) {
		last = err
		switch {
		case ctx.Err() != nil:
			return failed(errInterrupted)
		case err != nil:
			fmt.Fprintln(stderr, err)
			continue
		}
		if err := show.show(stdout, profile); err != nil {
			return failed(err)
		}
		if end := endOf(profile.Status); end != nil {
			return unlessApproved(end)
		}
	}
	if errors.Is(last, trusthub.ErrInvalidSID) {
		return errors.New("trusthub: the SID is malformed")
	}
	return failed(errors.New("the watch ended, and the review did not"))
}

// display shows a profile whenever it has changed.
type display interface {
	show(w io.Writer, profile *trusthub.CustomerProfile) error
}

// profileLines are profiles as JSON, one a line.
type profileLines struct{}

func (profileLines) show(w io.Writer, profile *trusthub.CustomerProfile) error {
	line, err := properties.Marshal(profile)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}

// changeLog prints the status and later changes.
type changeLog struct{ before []row }

func (c *changeLog) show(w io.Writer, profile *trusthub.CustomerProfile) error {
	now := rows(profile)
	lines := changes(c.before, now)
	if c.before == nil {
		lines = []string{state(profile, now)}
	}
	c.before = now
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%s  %s\n", time.Now().UTC().Format(time.RFC3339), line); err != nil {
			return err
		}
	}
	return nil
}

// state is where a profile stands: its status, and what Twilio has found.
func state(profile *trusthub.CustomerProfile, all []row) string {
	line := "Status: " + orDash(text.Clean(string(profile.Status)))
	for _, r := range all {
		if strings.HasPrefix(r.key, "Error ") {
			line += "; " + r.key + ": " + r.value
		}
	}
	return line
}

// changes lists the properties that differ.
func changes(before, now []row) (lines []string) {
	for _, r := range now {
		was := slices.IndexFunc(before, func(b row) bool { return b.key == r.key })
		switch {
		case slices.Contains(before, r):
		case was < 0:
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
