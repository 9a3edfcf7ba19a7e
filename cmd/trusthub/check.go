package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
)

func newCheckCommand() *cobra.Command {
	var from server
	var output string
	cmd := &cobra.Command{
		Use:   "check SID...",
		Short: "Hold the API's answers against its contract",
		Long: "Fetch Customer Profiles and hold each request and answer against the OpenAPI document.\n" +
			"A profile that cannot be fetched fails the check, too.",
		Example: "  trusthub check BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --fake\n  trusthub check BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -o json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, sids []string) error {
			write, ok := map[string]func(io.Writer, []verdict) error{"text": writeReport, "json": writeReportJSON}[output]
			if !ok {
				return fmt.Errorf("trusthub: unknown output %q: use text or json", output)
			}
			client, stop, err := from.client(trusthub.WithMiddleware(contract.NewTransport))
			if err != nil {
				return err
			}
			defer stop()
			verdicts, failed := check(cmd.Context(), client, sids)
			if err := write(cmd.OutOrStdout(), verdicts); err != nil {
				return failure{err}
			}
			if failed > 0 {
				return failure{fmt.Errorf("%d of %d profiles failed the check", failed, len(sids))}
			}
			return nil
		},
	}
	from.addFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// verdict is the outcome for one profile: it passes, or has findings, or could not be fetched.
type verdict struct {
	SID       string    `json:"sid"`
	Pass      bool      `json:"pass"`
	Direction string    `json:"direction,omitempty"`
	Status    int       `json:"status,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Findings  []finding `json:"findings,omitempty"`
	Error     string    `json:"error,omitempty"`
}

type finding struct {
	Pointer string `json:"pointer"`
	Reason  string `json:"reason"`
}

func check(ctx context.Context, client *trusthub.Client, sids []string) (verdicts []verdict, failed int) {
	for _, sid := range sids {
		_, err := client.FetchCustomerProfile(ctx, sid)
		v := verdict{SID: sid, Pass: err == nil}
		var violation *contract.Violation
		switch {
		case errors.As(err, &violation):
			v.Direction, v.Status, v.RequestID = violation.Direction, violation.StatusCode, violation.RequestID
			for _, f := range violation.Findings {
				v.Findings = append(v.Findings, finding(f))
			}
		case err != nil:
			v.Error = err.Error()
		}
		if !v.Pass {
			failed++
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, failed
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
			fmt.Fprintf(w, "FAIL  %s\n      %s\n", printable(v.SID), v.Error)
		default:
			fmt.Fprintf(w, "FAIL  %s\n      in the %s%s:\n", v.SID, v.Direction, answerNote(v))
			for _, f := range v.Findings {
				fmt.Fprintf(w, "      %s  %s\n", orDash(printable(f.Pointer)), f.Reason)
			}
		}
	}
	return nil
}

func answerNote(v verdict) string {
	if v.Status == 0 {
		return ""
	}
	return fmt.Sprintf(" with status %d, request %s", v.Status, orDash(printable(v.RequestID)))
}
