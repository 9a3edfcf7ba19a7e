// Package sidfile reads SIDs from lists and CSV files as programs and spreadsheets write them: in
// UTF-8 or UTF-16, with any common delimiter, irregular rows, and invisible characters.
package sidfile

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seed07fc1495/trusthub/internal/sid"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// Reader reads the SIDs of one file.
type Reader struct {
	each    func(yield func(string) bool) error
	trimmed atomic.Int64 // SIDs that had invisible characters around them
	table   *Table       // nil: a list
}

// NewList returns a reader of a list, one SID a line. Blank lines and those that begin with # are
// skipped.
func NewList(r io.Reader) (*Reader, error) {
	lines, err := newText(r)
	if err != nil {
		return nil, err
	}
	return &Reader{each: func(yield func(string) bool) error { return eachLine(lines, yield) }}, nil
}

// NewColumn returns a reader of a column of a CSV file; "" means sid.
func NewColumn(r io.Reader, column string) (*Reader, error) {
	table, err := NewTable(r, cmp.Or(column, "sid"))
	if err != nil {
		return nil, err
	}
	return &Reader{table: table, each: func(yield func(string) bool) error {
		for {
			row, err := table.Next()
			if row == nil || err != nil {
				return err
			}
			if row.SID != "" && !yield(row.SID) {
				return nil
			}
		}
	}}, nil
}

// looked is the number of lines without a SID after which a file counts as another kind of file.
const looked = 100

// NoSIDError means that the first lines of a file, or all of them, have no SID.
type NoSIDError struct{ First string }

func (e *NoSIDError) Error() string {
	return fmt.Sprintf("the first lines have no Customer Profile SID (BU and 32 hexadecimal digits), and seem to be %s: the first one is %q",
		guess(e.First), text.Printable(e.First, 60))
}

var (
	ofAnyKind = regexp.MustCompile(`^[A-Z]{2}[0-9a-fA-F]{32}$`)
	profile   = regexp.MustCompile(`BU[0-9a-fA-F]{32}`)
)

// guess describes a line that is not a SID.
func guess(line string) string {
	switch {
	case strings.HasPrefix(line, "{") || strings.HasPrefix(line, "["):
		return "JSON; results of an earlier run are for --resume"
	case profile.MatchString(line):
		return "CSV or a table; use --column with the name of the column of SIDs"
	case ofAnyKind.MatchString(line):
		return "other SIDs"
	}
	return "something else"
}

// Each yields the SIDs, without invisible characters around them. After the first SID, it also
// yields lines that are not SIDs.
func (r *Reader) Each(yield func(string) bool) error {
	var held []string
	found, left := false, false
	err := r.each(func(written string) bool {
		one := r.trim(written)
		held = append(held, one)
		if found = found || sid.IsValid(one); !found {
			return len(held) < looked
		}
		left = slices.ContainsFunc(held, func(one string) bool { return !yield(one) })
		held = held[:0]
		return !left
	})
	if err == nil && !left && len(held) > 0 {
		return &NoSIDError{held[0]}
	}
	return err
}

func (r *Reader) trim(written string) string {
	trimmed, changed := Trim(written)
	if changed {
		r.trimmed.Add(1)
	}
	return trimmed
}

// Skipped returns the number of rows whose SID is uncertain. It is complete when Each has returned.
func (r *Reader) Skipped() int {
	if r.table == nil {
		return 0
	}
	return r.table.Skipped()
}

// Notes describes what was dropped. It is complete when Each has returned.
func (r *Reader) Notes() (notes []string) {
	if n := r.trimmed.Load(); n > 0 {
		notes = append(notes, fmt.Sprintf("invisible characters were dropped around SIDs: %d", n))
	}
	if r.table != nil {
		notes = append(notes, r.table.Notes()...)
	}
	return notes
}

func eachLine(r io.Reader, yield func(string) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20) // comments may be long
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "#") && !yield(line) {
			return nil
		}
	}
	return lines.Err()
}
