package main

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

// sheet writes CSV that a spreadsheet shows unchanged.
type sheet struct {
	w       io.Writer
	records *csv.Writer
	mark    string // written first
}

// newSheet returns a sheet. One for Excel has a byte order mark, semicolons and CRLF.
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

// harmless puts a ' before a text that a spreadsheet would read as a formula. Numbers stay.
func harmless(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}

// columns returns the names of the cells of a record. With errors in words, the column errors is
// named reasons.
func columns(inWords bool) []string {
	header := slices.Collect(properties.Names(trusthub.CustomerProfile{}))
	if inWords {
		header[slices.Index(header, "errors")] = "reasons"
	}
	return append(header, "failure_status", "failure_code", "failure_request_id", "failure_message")
}

// cells returns the record of a result: the properties of its profile, and the parts of its
// failure.
func cells(r *results.Result, inWords bool) (record []string) {
	var profile trusthub.CustomerProfile
	if r.Profile != nil {
		profile = *r.Profile
	}
	profile.SID = r.SID
	for name, value := range properties.Of(profile) {
		text := valueText(value)
		if inWords && name == "errors" {
			text = strings.Join(trusthub.ProfileErrorTexts(&profile), "; ")
		}
		record = append(record, text)
	}
	if e := r.Error; e != nil {
		return append(record, numberOrNothing(e.Status), numberOrNothing(e.Code), e.RequestID, e.Message)
	}
	return append(record, "", "", "", "")
}

func numberOrNothing(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
