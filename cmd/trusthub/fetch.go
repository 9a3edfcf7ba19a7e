package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
)

// fetchOptions are the flags of fetch.
type fetchOptions struct {
	connection
	input
	progressFlags
	output, resume string
	concurrency    int
	maxOutage      time.Duration
}

func newFetchCommand() *cobra.Command {
	var o fetchOptions
	cmd := &cobra.Command{
		Use:   "fetch SID... | - | --from FILE",
		Short: "Print Customer Profiles",
		Long: "Print Customer Profiles as text, as the JSON that was received (json), as one object on each line\n" +
			"(ndjson), or as CSV. An \"Error\" of a profile is a finding of Twilio. Only the status shows whether\n" +
			"the profile is rejected.\n\n" +
			"SIDs come from arguments, from standard input (-) or from a file (--from), one on each line. Blank\n" +
			"lines and lines that begin with # are skipped. Many profiles are fetched at a time, and each is\n" +
			"written when it completes, as a table, as ndjson or as CSV. A summary is printed on standard\n" +
			"error.\n\n" +
			"--resume FILE adds to the ndjson of an earlier run. SIDs with a profile or a final error in it are\n" +
			"not fetched again.\n\n" +
			exitCodes("0 each SID has a profile", "1 some could not be fetched; a later run may succeed", "2 wrong use",
				"5 nothing is left to fetch, and some SIDs have no profile"),
		Example: "  trusthub fetch BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --fake\n  trusthub fetch - -o ndjson < sids.txt\n" +
			"  trusthub fetch --from customers.csv --column profile_sid --resume results.ndjson",
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.connection.addFlags(cmd)
	o.input.addFlags(cmd)
	o.progressFlags.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "text", "text, json, ndjson or csv (with --resume: ndjson)")
	flags.IntVar(&o.concurrency, "concurrency", 16, "the highest number of requests at a time")
	flags.StringVar(&o.resume, "resume", "", "add ndjson to the results of an earlier run in this file, and fetch only the missing SIDs")
	flags.DurationVar(&o.maxOutage, "max-outage", 15*time.Minute, "how long to wait in an outage, except for SIDs as text or json; 0: not at all")
	return cmd
}

func (o *fetchOptions) run(cmd *cobra.Command, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	if o.resume != "" && !cmd.Flags().Changed("output") {
		o.output = "ndjson"
	}
	single, format, err := o.formats(args)
	if err != nil {
		return err
	}
	var opts []trusthub.Option
	if cmd.Flags().Changed("concurrency") {
		opts = append(opts, trusthub.WithMaxConcurrency(o.concurrency))
	}
	client, stop, err := o.client(cmd.ErrOrStderr(), opts...)
	if err != nil {
		return err
	}
	defer stop()
	if single == nil {
		return o.runMany(cmd, args, client, format)
	}
	return fetch(cmd.Context(), client, args, single, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// runMany fetches a stream of SIDs.
func (o *fetchOptions) runMany(cmd *cobra.Command, args []string, client *trusthub.Client, format resultFormat) error {
	out, stderr, earlier := cmd.OutOrStdout(), cmd.ErrOrStderr(), new(earlier)
	if o.resume != "" {
		var err error
		if earlier, err = openEarlier(cmd.Context(), o.resume); err != nil {
			return err
		}
		defer func() { _ = earlier.Close() }()
		if earlier.torn {
			fmt.Fprintf(stderr, "trusthub: the last line of %s was truncated, and was removed\n", o.resume)
		}
		out = earlier.file
		// After a resume, the rest may be bad SIDs only. They look like an outage to a client that has
		// never had a success, so fetch a good one first.
		if earlier.good != nil {
			_, _ = client.FetchCustomerProfile(cmd.Context(), string(earlier.good))
		}
	}
	source, err := within(cmd.Context(), func() (*sidSource, error) { return o.open(args, cmd.InOrStdin(), earlier, o.isShown(out, stderr)) })
	if err != nil {
		return err
	}
	defer source.close()
	bar := o.bar(source.total, out, stderr)
	o.outage.clear = func() { _ = bar.Clear() }
	how, err := fetchMany(cmd.Context(), client, source, earlier, format, bar, out, trusthub.WithMaxOutage(o.maxOutage))
	if err != nil {
		return err
	}
	if err := source.report(stderr); err != nil {
		return err
	}
	if cause := o.outage.now(); cause != "" && how.why != nil {
		how.why = fmt.Errorf("%w (%s)", how.why, cause)
	}
	if how.counts.Total() > 0 {
		fmt.Fprintln(stderr, "trusthub:", how.counts)
	}
	err = how.err()
	switch {
	case err == nil:
		fmt.Fprintln(stderr, "trusthub:", how)
	case how.unfinished && o.output == "ndjson":
		err = failed(fmt.Errorf("%w\nTo continue: %s", err, resumeCommand(cmd, args, &o.input, o.resume)))
	case how.unfinished:
		err = failed(fmt.Errorf("%w\nUse --resume FILE, so that another run fetches only the missing SIDs", err))
	}
	return err
}

// formats returns the format of single profiles, or that of a stream of results.
func (o *fetchOptions) formats(args []string) (*singleFormat, resultFormat, error) {
	many := o.isMany(args)
	switch {
	case o.resume != "" && o.output != "ndjson":
		return nil, resultFormat{}, fmt.Errorf("trusthub: --resume writes ndjson, not %s", o.output)
	case o.output == "ndjson":
		return nil, ndjsonFormat(), nil
	case o.output == "csv":
		return nil, csvFormat(), nil
	case o.output == "text" && many:
		return nil, tableFormat(), nil
	case o.output == "text":
		return &singleFormat{writeText, writeErrorText, false}, resultFormat{}, nil
	case o.output == "json" && many:
		return nil, resultFormat{}, errors.New("trusthub: json is for single profiles: use -o ndjson for many")
	case o.output == "json":
		return &singleFormat{writeJSON, writeErrorJSON, true}, resultFormat{}, nil
	}
	return nil, resultFormat{}, fmt.Errorf("trusthub: unknown output %q: use text, json, ndjson or csv", o.output)
}

// fetch prints each profile, or its error.
func fetch(ctx context.Context, client *trusthub.Client, sids []string, format *singleFormat, stdout, stderr io.Writer) error {
	missing, malformed, final := 0, 0, 0
	for result := range oneByOne(ctx, client, trimmed(sids)) {
		err := withFlaw(result.SID, result.Err)
		switch {
		case err != nil && ctx.Err() != nil:
			return failed(fmt.Errorf("%w: %d of %d profiles fetched", errInterrupted, result.Index-missing, len(sids)))
		case err != nil:
			missing++
			if isFinal(err) {
				final++
			}
			if errors.Is(err, trusthub.ErrInvalidSID) {
				malformed++
			}
			format.writeError(stderr, result.SID, err)
		default:
			if err := format.write(stdout, result.Index, result.Profile, result.Response.Body); err != nil {
				return failed(err)
			}
		}
	}
	code := exitFailed
	switch {
	case missing == 0:
		return nil
	case malformed == len(sids):
		code = exitUsage
	case missing == final:
		code = exitFinal
	}
	if format.quiet {
		return failure{code: code}
	}
	if code == exitUsage {
		return fmt.Errorf("trusthub: malformed SIDs: %d of %d", missing, len(sids))
	}
	return failure{code, fmt.Errorf("%d of %d profiles could not be fetched", missing, len(sids))}
}

// singleFormat prints single profiles and their errors.
type singleFormat struct {
	// prints the i-th profile of the output
	write      func(w io.Writer, i int, profile *trusthub.CustomerProfile, body trusthub.Body) error
	writeError func(w io.Writer, sid string, err error)
	quiet      bool // no other error text is printed
}

func writeJSON(w io.Writer, _ int, _ *trusthub.CustomerProfile, body trusthub.Body) error {
	_, err := fmt.Fprintf(w, "%s\n", []byte(body))
	return err
}

func writeErrorJSON(w io.Writer, sid string, err error) {
	// standard error has no other place for errors
	_ = json.NewEncoder(w).Encode(newFailedResult(sid, err))
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

func writeErrorText(w io.Writer, _ string, err error) { fmt.Fprintln(w, err) }
