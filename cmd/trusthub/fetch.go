package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
)

func newFetchCommand() *cobra.Command {
	var from server
	var output string
	cmd := &cobra.Command{
		Use:     "fetch SID...",
		Short:   "Print Customer Profiles",
		Long:    "Print Customer Profiles, for people or as the JSON that was received.",
		Example: "  trusthub fetch BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --fake\n  trusthub fetch BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -o json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, sids []string) error {
			write, ok := map[string]profileWriter{"text": writeText, "json": writeJSON}[output]
			if !ok {
				return fmt.Errorf("trusthub: unknown output %q: use text or json", output)
			}
			client, stop, err := from.client()
			if err != nil {
				return err
			}
			defer stop()
			return fetch(cmd.Context(), client, sids, write, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	from.addFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// fetch prints every profile that it can and reports the others.
func fetch(ctx context.Context, client *trusthub.Client, sids []string, write profileWriter, stdout, stderr io.Writer) error {
	failed, misused := 0, 0
	for i, sid := range sids {
		var response trusthub.Response
		profile, err := client.FetchCustomerProfile(ctx, sid, trusthub.WithResponseInto(&response))
		if err != nil {
			failed++
			if errors.Is(err, trusthub.ErrInvalidSID) {
				misused++
			}
			fmt.Fprintln(stderr, err)
			continue
		}
		if err := write(stdout, i, profile, response.Body); err != nil {
			return failure{err}
		}
	}
	switch failed {
	case 0:
		return nil
	case misused:
		return fmt.Errorf("trusthub: %d of %d SIDs are malformed", failed, len(sids))
	}
	return failure{fmt.Errorf("%d of %d profiles could not be fetched", failed, len(sids))}
}

// profileWriter writes the i-th profile of the output.
type profileWriter func(w io.Writer, i int, profile *trusthub.CustomerProfile, body trusthub.Body) error

func writeJSON(w io.Writer, _ int, _ *trusthub.CustomerProfile, body trusthub.Body) error {
	_, err := fmt.Fprintf(w, "%s\n", []byte(body))
	return err
}

func writeText(w io.Writer, i int, p *trusthub.CustomerProfile, _ trusthub.Body) error {
	if i > 0 {
		fmt.Fprintln(w)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, value string) { fmt.Fprintf(table, "%s\t%s\n", printable(key), orDash(printable(value))) }
	row("SID", p.SID)
	row("Account SID", p.AccountSID)
	row("Policy SID", p.PolicySID)
	row("Friendly name", p.FriendlyName)
	row("Status", string(p.Status))
	row("Valid until", formatTime(p.ValidUntil))
	row("E-mail", p.Email)
	row("Status callback", p.StatusCallback)
	row("Created", formatTime(p.DateCreated))
	row("Updated", formatTime(p.DateUpdated))
	row("URL", p.URL)
	for _, name := range slices.Sorted(maps.Keys(p.Links)) {
		row("Link "+name, p.Links[name])
	}
	for _, e := range p.Errors {
		row("Rejected for", fmt.Sprintf("%d  https://www.twilio.com/docs/api/errors/%d", e.Code, e.Code))
	}
	return table.Flush()
}

// printable drops what could move the cursor or recolour a terminal: names are free text that others entered.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}

func orDash(s string) string { return cmp.Or(s, "-") }

func formatTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}
