package main

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

// sheet writes CSV that spreadsheets take for what it is.
type sheet struct {
	w       io.Writer
	records *csv.Writer
	mark    string // to come first
}

// newSheet returns a sheet; for Excel, it has a byte order mark, semicolons and CRLF.
func newSheet(w io.Writer, excel bool) *sheet {
	s := &sheet{w: w, records: csv.NewWriter(w)}
	if excel {
		s.mark, s.records.Comma, s.records.UseCRLF = "\ufeff", ';', true
	}
	return s
}

func (s *sheet) write(record []string) error {
	if s.mark != "" {
		if _, err := io.WriteString(s.w, s.mark); err != nil {
			return err
		}
		s.mark = ""
	}
	for i, cell := range record {
		record[i] = harmless(cell)
	}
	if err := s.records.Write(record); err != nil {
		return err
	}
	s.records.Flush()
	return s.records.Error()
}

// harmless puts a ' in front of what a spreadsheet would take for a formula, but for numbers.
func harmless(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}

// reportHeader names the columns of a report: those of a profile, with the errors in words.
func reportHeader() (header []string) {
	for name := range properties.Of(trusthub.CustomerProfile{}) {
		if name == "errors" {
			name = "reasons"
		}
		header = append(header, name)
	}
	return append(header, failureColumns...)
}

var failureColumns = []string{"failure_status", "failure_code", "failure_request_id", "failure_message"} //nolint:gochecknoglobals // constant

func reportRecord(r *results.Result) (record []string) {
	profile := trusthub.CustomerProfile{}
	if r.Profile != nil {
		profile = *r.Profile
	}
	profile.SID = r.SID
	for name, value := range properties.Of(profile) {
		text := valueText(value)
		if name == "errors" {
			text = strings.Join(trusthub.ProfileErrorTexts(&profile), "; ")
		}
		record = append(record, text)
	}
	return append(record, failureCells(r.Error)...)
}

func failureCells(e *results.Error) []string {
	if e == nil {
		return make([]string, len(failureColumns))
	}
	return []string{numberOrNothing(e.Status), numberOrNothing(e.Code), e.RequestID, e.Message}
}
