package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/properties"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// checkOptions are the flags of check.
type checkOptions struct {
	connection
	input
	output string
	strict bool
}

func newCheckCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check SID... | - | --from FILE",
		Short: "Validate the API's responses against its contract",
		Long: "Fetch Customer Profiles and validate each request and response against the OpenAPI document. A\n" +
			"profile that cannot be fetched, and a response of a gateway, fail the check with exit code 1.\n" +
			"Undocumented properties are printed; with --strict they break the contract. A summary is printed\n" +
			"on standard error.\n\n" +
			exitCodes("0 every profile passes", "1 some could not be fetched, or something other than Twilio responded", "2 wrong use", "4 the contract is broken"),
		Example: "  trusthub check BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --fake\n  trusthub check --from sids.txt --strict -o json",
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.connection.addFlags(cmd)
	o.input.addFlags(cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "fail for undocumented properties")
	return cmd
}

func (o *checkOptions) run(cmd *cobra.Command, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	write, ok := map[string]func(io.Writer, []verdict) error{"text": writeReport, "json": writeReportJSON}[o.output]
	if !ok {
		return fmt.Errorf("trusthub: unknown output %q: use text or json", o.output)
	}
	stderr := cmd.ErrOrStderr()
	client, stop, err := o.client(stderr, trusthub.WithMiddleware(contract.NewTransport))
	if err != nil {
		return err
	}
	defer stop()
	source, err := within(cmd.Context(), func() (*sidSource, error) { return o.open(args, cmd.InOrStdin(), new(earlier), false) })
	if err != nil {
		return err
	}
	defer source.close()
	fetched := client.FetchCustomerProfiles(cmd.Context(), source.sids)
	if !o.isMany(args) {
		fetched = oneByOne(cmd.Context(), client, source.sids)
	}
	verdicts, ended := o.verdicts(cmd.Context(), fetched)
	if ended != nil {
		fmt.Fprintln(stderr, ended)
	}
	if err := source.report(stderr); err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	if err := cmp.Or(write(out, verdicts), out.Flush()); err != nil {
		return failed(fmt.Errorf("the report could not be written: %w", err))
	}
	return conclude(stderr, verdicts, source, cmd.Context().Err() != nil)
}

// verdict is the outcome for one profile: it passes, or breaks the contract, or could not be
// fetched.
type verdict struct {
	SID       string    `json:"sid"`
	Pass      bool      `json:"pass"`
	Direction string    `json:"direction,omitempty"`
	Status    int       `json:"status,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Findings  []finding `json:"findings,omitempty"`
	Unknown   []string  `json:"undocumented,omitempty"` // undocumented properties
	Error     string    `json:"error,omitempty"`

	malformed bool // the SID is malformed
}

type finding struct {
	Pointer string `json:"pointer"`
	Reason  string `json:"reason"`
}

// verdicts validates profiles until ctx ends. They are in the order of the input. ended is the
// error that ended the batch, if no SID has it.
func (o *checkOptions) verdicts(ctx context.Context, fetched iter.Seq[trusthub.FetchResult]) (verdicts []verdict, ended error) {
	byIndex := make(map[int]verdict)
	for result := range fetched {
		switch {
		case result.Err != nil && ctx.Err() != nil:
			continue
		case result.Index < 0: // the error of a probe, which ended the batch
			ended = result.Err
			continue
		}
		v := verdictOf(result.SID, withFlaw(result.SID, result.Err))
		if result.Profile != nil {
			v.Unknown = undocumented(result.Response.Body)
		}
		if o.strict && len(v.Unknown) > 0 {
			v.Pass, v.Direction, v.Status, v.RequestID = false, "response", result.Response.StatusCode, result.Response.RequestID
			for _, name := range v.Unknown {
				v.Findings = append(v.Findings, finding{"/" + name, "undocumented property"})
			}
		}
		byIndex[result.Index] = v
	}
	verdicts = []verdict{} // an empty list is [] in JSON
	for _, i := range slices.Sorted(maps.Keys(byIndex)) {
		verdicts = append(verdicts, byIndex[i])
	}
	return verdicts, ended
}

// oneByOne fetches a few profiles, without waiting for the end of an outage.
func oneByOne(ctx context.Context, client *trusthub.Client, sids iter.Seq[string]) iter.Seq[trusthub.FetchResult] {
	return func(yield func(trusthub.FetchResult) bool) {
		index := 0
		for sid := range sids {
			result := trusthub.FetchResult{SID: sid, Index: index}
			result.Profile, result.Err = client.FetchCustomerProfile(ctx, sid, trusthub.WithResponseInto(&result.Response))
			if !yield(result) || ctx.Err() != nil {
				return
			}
			index++
		}
	}
}

// undocumented returns the properties of a profile that are not in the document.
func undocumented(body []byte) []string {
	var object map[string]json.RawMessage
	_ = json.Unmarshal(body, &object) // cannot fail: it was decoded before
	return properties.Undocumented(object, properties.Names(trusthub.CustomerProfile{}))
}

func verdictOf(sid string, err error) verdict {
	v := verdict{SID: sid, Pass: err == nil, malformed: errors.Is(err, trusthub.ErrInvalidSID)}
	var violation *contract.Violation
	var decodeErr *trusthub.DecodeError
	switch {
	case errors.As(err, &violation) && (violation.Direction == "request" || violation.FromTwilio()):
		v.Direction, v.Status, v.RequestID = violation.Direction, violation.StatusCode, violation.RequestID
		for _, f := range violation.Findings {
			v.Findings = append(v.Findings, finding(f))
		}
	// another profile, or a body over the limit; both are Twilio's
	case errors.As(err, &decodeErr) && !trusthub.IsRetryable(err):
		v.Direction, v.Status, v.RequestID = "response", decodeErr.StatusCode, decodeErr.RequestID
		v.Findings = []finding{{decodeErr.Pointer, err.Error()}}
	case err != nil:
		v.Error = err.Error()
	}
	return v
}

// conclude prints the summary and returns the error of the command.
func conclude(stderr io.Writer, verdicts []verdict, source *sidSource, interrupted bool) error {
	broken, missing, malformed := 0, 0, 0
	for _, v := range verdicts {
		switch {
		case len(v.Findings) > 0:
			broken++
		case v.malformed:
			malformed++
		case !v.Pass:
			missing++
		}
	}
	passed := len(verdicts) - broken - missing - malformed
	missing += source.reader.Skipped()
	summary := fmt.Errorf("profiles: %d pass, %d break the contract, %d not fetched", passed, broken, missing+malformed)
	if broken == 0 && !source.complete.Load() {
		why := errors.New("ended early")
		if interrupted {
			why = errInterrupted
		} else if err := source.broken.Load(); err != nil {
			why = *err
		}
		return failed(fmt.Errorf("%w: %w", why, summary))
	}
	switch {
	case broken > 0:
		return failure{exitBroken, summary}
	case malformed == len(verdicts) && malformed > 0:
		return fmt.Errorf("trusthub: malformed SIDs: %d of %d", malformed, malformed)
	case missing+malformed > 0:
		return failed(summary)
	}
	fmt.Fprintln(stderr, "trusthub:", summary)
	return nil
}

func writeReportJSON(w io.Writer, verdicts []verdict) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(verdicts)
}

func writeReport(w io.Writer, verdicts []verdict) error {
	for _, v := range verdicts {
		switch {
		case v.Pass:
			fmt.Fprintf(w, "pass  %s\n", v.SID)
			if len(v.Unknown) > 0 {
				fmt.Fprintf(w, "      undocumented: %q\n", v.Unknown)
			}
		case v.Error != "":
			fmt.Fprintf(w, "FAIL  %s\n      could not be fetched: %s\n", text.Clean(v.SID), v.Error)
		default:
			fmt.Fprintf(w, "FAIL  %s\n      in the %s%s:\n", v.SID, v.Direction, answerNote(v))
			for _, f := range v.Findings {
				fmt.Fprintf(w, "      %s  %s\n", orDash(text.Clean(f.Pointer)), f.Reason)
			}
		}
	}
	return nil // a buffer keeps its error
}

func answerNote(v verdict) string {
	if v.Status == 0 {
		return ""
	}
	return fmt.Sprintf(" with status %d, request %s", v.Status, orDash(text.Clean(v.RequestID)))
}
