package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
)

func newFetchCommand() *cobra.Command {
	var from server
	var output string
	var concurrency int
	cmd := &cobra.Command{
		Use:   "fetch SID... | -",
		Short: "Print Customer Profiles",
		Long: "Print Customer Profiles: for people (text), as the JSON that was received (json), or as one JSON object a line (ndjson).\n\n" +
			"With - in place of SIDs, they are read from standard input, one a line; blank lines and those that begin with # are\n" +
			"skipped. Many are fetched at a time and printed as they complete, as a table or as ndjson, in which a profile that could\n" +
			"not be fetched has an \"error\". How many were fetched is told at the end on standard error.",
		Example: "  trusthub fetch BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --fake\n  trusthub fetch - -o ndjson < sids.txt",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, sids []string) error {
			many := slices.Contains(sids, "-")
			if many && len(sids) > 1 {
				return errors.New("trusthub: - stands for standard input, and takes no SIDs beside it")
			}
			writeOne, writeMany, err := writers(output, many)
			if err != nil {
				return err
			}
			var opts []trusthub.Option
			if cmd.Flags().Changed("concurrency") {
				opts = append(opts, trusthub.WithMaxConcurrency(concurrency))
			}
			client, stop, err := from.client(opts...)
			if err != nil {
				return err
			}
			defer stop()
			if writeMany == nil {
				return fetch(cmd.Context(), client, sids, writeOne, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			source := newSIDList(sids)
			if many {
				source = newSIDReader(cmd.InOrStdin())
			}
			return fetchMany(cmd.Context(), client, source, writeMany, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	from.addFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json or ndjson")
	cmd.Flags().IntVar(&concurrency, "concurrency", 16, "the most requests at a time, with - or ndjson")
	return cmd
}

// writers returns the one that fits: a profileWriter for profiles one by one, a resultWriter for a stream of them.
func writers(output string, many bool) (profileWriter, resultWriter, error) {
	switch {
	case output == "ndjson":
		return nil, writeNDJSON, nil
	case output == "text" && many:
		return nil, writeTableRow, nil
	case output == "text":
		return writeText, nil, nil
	case output == "json" && many:
		return nil, nil, errors.New("trusthub: json is for single profiles: use -o ndjson with -")
	case output == "json":
		return writeJSON, nil, nil
	}
	return nil, nil, fmt.Errorf("trusthub: unknown output %q: use text, json or ndjson", output)
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

func writeText(w io.Writer, i int, profile *trusthub.CustomerProfile, _ trusthub.Body) error {
	if i > 0 {
		fmt.Fprintln(w)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows(profile) {
		fmt.Fprintf(table, "%s\t%s\n", row.key, row.value)
	}
	return table.Flush()
}
