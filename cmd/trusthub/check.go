package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/text"
)

func newCheckCommand() *cobra.Command {
	var from connection
	var output string
	cmd := &cobra.Command{
		Use:   "check SID...",
		Short: "Hold the API's answers against its contract",
		Long: "Fetch Customer Profiles and hold each request and answer against the OpenAPI document.\n" +
			"A profile that cannot be fetched fails the check, too, but with another exit code than a breach. So does an answer of a\n" +
			"proxy, a gateway or a firewall, which bears no sign of Twilio.\n\n" +
			exitCodes("0 every profile passes", "1 some could not be fetched, or something else than Twilio has answered", "2 wrong use", "4 the contract is broken"),
		Example: "  trusthub check BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --fake\n  trusthub check BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -o json",
		RunE: func(cmd *cobra.Command, sids []string) error {
			if len(sids) == 0 {
				return errors.New("trusthub: no SID: name those of the profiles to check")
			}
			write, ok := map[string]func(io.Writer, []verdict) error{"text": writeReport, "json": writeReportJSON}[output]
			if !ok {
				return fmt.Errorf("trusthub: unknown output %q: use text or json", output)
			}
			client, stop, err := from.client(cmd.ErrOrStderr(), trusthub.WithMiddleware(contract.NewTransport))
			if err != nil {
				return err
			}
			defer stop()
			verdicts := check(cmd.Context(), client, sids)
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := cmp.Or(write(out, verdicts), out.Flush()); err != nil {
				return failed(fmt.Errorf("the report could not be written: %w", err))
			}
			return conclude(verdicts, len(sids))
		},
	}
	from.addFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// verdict is the outcome for one profile: it passes, or breaks the contract, or could not be fetched.
type verdict struct {
	SID       string    `json:"sid"`
	Pass      bool      `json:"pass"`
	Direction string    `json:"direction,omitempty"`
	Status    int       `json:"status,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Findings  []finding `json:"findings,omitempty"`
	Error     string    `json:"error,omitempty"`

	malformed bool // the SID
}

type finding struct {
	Pointer string `json:"pointer"`
	Reason  string `json:"reason"`
}

// check judges as many profiles as it can before ctx ends.
func check(ctx context.Context, client *trusthub.Client, sids []string) []verdict {
	verdicts := []verdict{} // a list in JSON, also when there is none
	for _, sid := range sids {
		_, err := client.FetchCustomerProfile(ctx, sid)
		if err != nil && ctx.Err() != nil {
			break
		}
		verdicts = append(verdicts, judge(sid, err))
	}
	return verdicts
}

func judge(sid string, err error) verdict {
	v := verdict{SID: sid, Pass: err == nil, malformed: errors.Is(err, trusthub.ErrInvalidSID)}
	var violation *contract.Violation
	var decodeErr *trusthub.DecodeError
	switch {
	case errors.As(err, &violation) && (violation.Direction == "request" || violation.FromTwilio()):
		v.Direction, v.Status, v.RequestID = violation.Direction, violation.StatusCode, violation.RequestID
		for _, f := range violation.Findings {
			v.Findings = append(v.Findings, finding(f))
		}
	case errors.As(err, &decodeErr) && !trusthub.IsRetryable(err): // Twilio's: another profile, or more than is read
		v.Direction, v.Status, v.RequestID = "response", decodeErr.StatusCode, decodeErr.RequestID
		v.Findings = []finding{{decodeErr.Pointer, err.Error()}}
	case err != nil:
		v.Error = err.Error()
	}
	return v
}

// conclude says with what the check ends.
func conclude(verdicts []verdict, asked int) error {
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
	switch {
	case broken > 0:
		return failure{exitBroken, fmt.Errorf("%d of %d profiles break the contract, %d could not be fetched", broken, asked, missing+malformed)}
	case len(verdicts) < asked:
		return failed(fmt.Errorf("%w: %d of %d profiles checked", errInterrupted, len(verdicts), asked))
	case malformed == asked:
		return fmt.Errorf("trusthub: %d of %d SIDs are malformed", malformed, asked)
	case missing+malformed > 0:
		return failed(fmt.Errorf("%d of %d profiles could not be fetched", missing+malformed, asked))
	}
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
