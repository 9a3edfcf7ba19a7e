package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/sidfile"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// reportOptions are the flags of report.
type reportOptions struct {
	join, column, output string
	expiring             string
	list, excel          bool
}

func newReportCommand() *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report RESULTS",
		Short: "Summarize the results of fetch",
		Long: "Summarize a file of fetch -o ndjson or --resume: profiles by status, findings and failures by\n" +
			"reason, and expiring profiles. If a SID has several lines, the last one counts.\n\n" +
			"-o csv writes a row for each SID. It is safe to open in a spreadsheet: a formula gets a ' in\n" +
			"front. --join writes a row for each row of your own CSV file, whose columns come first.\n\n" +
			exitCodes("0 each SID has a profile", "1 some are missing; a later run may fetch them", "2 wrong use", "5 nothing is left to fetch, and some SIDs have no profile"),
		Example: "  trusthub report results.ndjson --list\n" +
			"  trusthub report results.ndjson --join customers.csv --column profile_sid -o csv > report.csv",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.output == "csv" && (o.list || cmd.Flags().Changed("expiring")) {
				return errors.New("trusthub: --list and --expiring are for -o text")
			}
			return o.run(args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.join, "join", "", "a CSV file with a column of SIDs, whose columns come first (-o csv)")
	flags.StringVar(&o.column, "column", "sid", "the column of SIDs of --join")
	flags.StringVar(&o.expiring, "expiring", "30d", "count the profiles that have expired, or expire within this time, such as 30d or 12h")
	flags.BoolVar(&o.list, "list", false, "list the SIDs of each count")
	flags.StringVarP(&o.output, "output", "o", "text", "text or csv")
	flags.BoolVar(&o.excel, "excel", false, "CSV for Excel where a comma is the decimal mark: with a byte order mark and semicolons")
	return cmd
}

func (o *reportOptions) run(name string, stdout, stderr io.Writer) error {
	until, err := o.check(time.Now())
	if err != nil {
		return err
	}
	file, err := results.Open(name)
	if err != nil {
		return fmt.Errorf("trusthub: %s: %w", name, err)
	}
	defer func() { _ = file.Close() }()
	out, skipped := bufio.NewWriter(stdout), 0
	if o.output == "csv" {
		skipped, err = o.writeCSV(out, stderr, file)
	} else {
		s := newSummary(until, o.list)
		if err = file.Each(s.add); err == nil {
			s.write(out, file.Counts())
		}
	}
	if err = cmp.Or(err, out.Flush()); err != nil {
		return failed(err)
	}
	switch counts := file.Counts(); {
	case counts[results.Again] > 0:
		return failure{code: exitFailed}
	case counts[results.Final] > 0, skipped > 0:
		return failure{code: exitFinal}
	}
	return nil
}

// check returns the time of --expiring.
func (o *reportOptions) check(now time.Time) (until time.Time, err error) {
	if days, ok := strings.CutSuffix(o.expiring, "d"); ok {
		n, parseErr := strconv.ParseUint(days, 10, 20)
		until, err = now.AddDate(0, 0, int(n)), parseErr
	} else {
		within, parseErr := time.ParseDuration(o.expiring)
		until, err = now.Add(within), parseErr
	}
	switch {
	case err != nil || until.Before(now):
		return until, fmt.Errorf("trusthub: --expiring: %q is not a time such as 30d or 12h", o.expiring)
	case o.output != "text" && o.output != "csv":
		return until, fmt.Errorf("trusthub: unknown output %q: use text or csv", o.output)
	case o.output == "text" && (o.join != "" || o.excel):
		return until, errors.New("trusthub: --join and --excel are for -o csv")
	}
	return until, nil
}

// summary is the content of a report.
type summary struct {
	until time.Time // profiles that are not valid for longer are listed
	list  bool

	statuses, rejected, reasons, failures, expiring group
	oldest                                          time.Time
	oldestSID                                       string
}

// group counts SIDs by a text.
type group struct {
	counts map[string]int
	sids   map[string][]string // filled for --list
}

func newSummary(until time.Time, list bool) *summary {
	s := &summary{until: until, list: list}
	for _, g := range []*group{&s.statuses, &s.rejected, &s.reasons, &s.failures, &s.expiring} {
		*g = group{make(map[string]int), make(map[string][]string)}
	}
	return s
}

func (s *summary) count(g *group, what, sid string) {
	g.counts[what]++
	if s.list {
		g.sids[what] = append(g.sids[what], sid)
	}
}

func (s *summary) add(r *results.Result) error {
	if r.Error != nil {
		s.count(&s.failures, results.StateOf("", r.Error)+": "+failureText(r.Error), r.SID)
		return nil
	}
	p := r.Profile
	s.count(&s.statuses, orDash(string(p.Status)), r.SID)
	group := &s.reasons
	if p.Status == trusthub.StatusTwilioRejected {
		group = &s.rejected
	}
	for _, reason := range slices.Compact(slices.Sorted(slices.Values(trusthub.ProfileErrorTexts(p)))) {
		s.count(group, reason, r.SID)
	}
	if p.ValidUntil != nil && p.ValidUntil.Before(s.until) {
		s.count(&s.expiring, p.ValidUntil.UTC().Format(time.DateOnly), r.SID)
	}
	if at := p.DateUpdated; p.Status == trusthub.StatusInReview && at != nil && (s.oldestSID == "" || at.Before(s.oldest)) {
		s.oldest, s.oldestSID = *at, r.SID
	}
	return nil
}

// failureText returns the same text for SIDs that failed in the same way.
func failureText(e *results.Error) string {
	switch {
	case e.Code != 0:
		return fmt.Sprintf("status %d, code %d", e.Status, e.Code)
	case e.Status != 0:
		return fmt.Sprintf("status %d", e.Status)
	case strings.Contains(e.Message, trusthub.ErrInvalidSID.Error()):
		return "the SID is malformed"
	}
	return "no response"
}

func (s *summary) write(w io.Writer, counts results.Counts) {
	fmt.Fprintf(w, "%v\n", counts)
	for _, part := range []struct {
		title string
		group group
	}{
		{"Profiles by status", s.statuses},
		{"Rejected, by reason", s.rejected},
		{"Other profiles with an error, by reason", s.reasons},
		{"Without a profile", s.failures},
		{"Expired or expiring, by date", s.expiring},
	} {
		if len(part.group.counts) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", part.title)
		for _, what := range slices.Sorted(maps.Keys(part.group.counts)) {
			fmt.Fprintf(w, "%7d  %s\n", part.group.counts[what], text.Clean(what))
			for _, sid := range part.group.sids[what] {
				fmt.Fprintf(w, "         %s\n", text.Clean(sid))
			}
		}
	}
	if s.oldestSID != "" {
		fmt.Fprintf(w, "\nLongest in review: %s, since %s\n", text.Clean(s.oldestSID), s.oldest.UTC().Format(time.RFC3339))
	}
}

// writeCSV writes a row for each SID, or for each row of the file to join. It returns the number of
// rows of that file that it skipped.
func (o *reportOptions) writeCSV(w, stderr io.Writer, file *results.File) (skipped int, err error) {
	out := newSheet(w, o.excel)
	if o.join == "" {
		if err := out.write(columns(true)); err != nil {
			return 0, err
		}
		return 0, file.Each(func(r *results.Result) error { return out.write(cells(r, true)) })
	}
	own, err := os.Open(o.join)
	if err != nil {
		return 0, fmt.Errorf("--join: %w", err)
	}
	defer func() { _ = own.Close() }()
	table, err := sidfile.NewTable(own, o.column)
	if err != nil {
		return 0, fmt.Errorf("--join: %s: %w", o.join, err)
	}
	if err := out.write(append(table.Header, columns(true)...)); err != nil {
		return 0, err
	}
	for missing := 0; ; {
		row, err := table.Next()
		if row == nil || err != nil {
			for _, note := range table.Notes() {
				fmt.Fprintln(stderr, "trusthub:", note)
			}
			if err == nil && missing > 0 {
				err = fmt.Errorf("--join: %d rows have a SID without a result", missing)
			}
			return table.Skipped(), err
		}
		sid, _ := sidfile.Trim(row.SID)
		r := &results.Result{SID: sid}
		if found, err := file.Find(sid); err != nil {
			return 0, err
		} else if found != nil {
			r = found
		} else if sid != "" {
			missing++
		}
		own := append(row.Cells, make([]string, max(len(table.Header)-len(row.Cells), 0))...)
		if err := out.write(append(own[:len(table.Header)], cells(r, true)...)); err != nil {
			return 0, err
		}
	}
}
