package sidfile

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// Table reads a CSV file with a column of SIDs. Its delimiter is the most frequent one in the
// header, or that of a first line such as "sep=;".
type Table struct {
	Header []string

	records *csv.Reader
	column  int
	first   int // lines before the header

	mu      sync.Mutex
	skipped []int // line numbers
}

// Row is a row of a table.
type Row struct {
	SID   string // "" for an empty cell
	Cells []string
}

// NewTable reads the header.
func NewTable(r io.Reader, column string) (*Table, error) {
	lines, err := newText(r)
	if err != nil {
		return nil, err
	}
	t := new(Table)
	var delimiter rune
	first, err := peekLine(lines)
	if err != nil {
		return nil, err
	}
	if said, ok := strings.CutPrefix(strings.ToLower(first), "sep="); ok && said != "" {
		delimiter, t.first = []rune(said)[0], 1
		_, _ = lines.ReadString('\n')
	} else {
		delimiter = delimiterOf(first)
	}
	t.records = csv.NewReader(lines)
	t.records.Comma, t.records.LazyQuotes, t.records.FieldsPerRecord = delimiter, true, -1
	if t.Header, err = t.records.Read(); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the header of the CSV: %w", err)
	}
	t.column = slices.IndexFunc(t.Header, func(title string) bool {
		title, _ = Trim(title)
		return strings.EqualFold(title, column)
	})
	if t.column < 0 {
		return nil, fmt.Errorf("the CSV has no column %q, but %q: choose one by --column", column, t.Header)
	}
	return t, nil
}

// peekLine returns the first line, or its start if it is longer than the buffer.
func peekLine(r *bufio.Reader) (string, error) {
	for read := 0; ; {
		sample, err := r.Peek(max(read+1, r.Buffered()))
		line, _, whole := strings.Cut(string(sample), "\n")
		switch {
		case whole, errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
			return strings.TrimSpace(line), nil
		case err != nil:
			return "", err
		}
		read = len(sample)
	}
}

func delimiterOf(header string) rune {
	most, delimiter := 0, ','
	for _, candidate := range []rune{',', ';', '\t'} {
		quoted, n := false, 0
		for _, r := range header {
			if r == '"' {
				quoted = !quoted
			} else if r == candidate && !quoted {
				n++
			}
		}
		if n > most {
			most, delimiter = n, candidate
		}
	}
	return delimiter
}

// Next returns the next row, or nil at the end. It skips and counts rows whose SID is uncertain.
func (t *Table) Next() (*Row, error) {
	for {
		cells, err := t.records.Read()
		switch parse, ok := errors.AsType[*csv.ParseError](err); {
		case errors.Is(err, io.EOF):
			return nil, nil //nolint:nilnil // the end
		case ok:
			t.skip(parse.StartLine)
			continue
		case err != nil:
			return nil, err
		}
		row := &Row{Cells: cells}
		if t.column < len(cells) { // Excel omits empty cells at the end of a row
			row.SID = value(cells[t.column])
		}
		if row.SID == "" && slices.ContainsFunc(cells, profile.MatchString) || slices.ContainsFunc(cells, hasRows) {
			line, _ := t.records.FieldPos(0)
			t.skip(line)
			continue
		}
		return row, nil
	}
}

// hasRows reports whether a cell contains further rows, since its quote is never closed.
func hasRows(cell string) bool {
	_, rest, _ := strings.Cut(cell, "\n")
	return profile.MatchString(rest)
}

// value returns the content of a cell, also of a formula such as ="BU…".
func value(cell string) string {
	cell = strings.TrimSpace(cell)
	if inner, ok := strings.CutPrefix(cell, `="`); ok {
		return strings.TrimSuffix(inner, `"`)
	}
	return cell
}

func (t *Table) skip(line int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skipped = append(t.skipped, line+t.first)
}

// Notes describes the skipped rows.
func (t *Table) Notes() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.skipped) == 0 {
		return nil
	}
	named := fmt.Sprint(t.skipped[:min(len(t.skipped), 5)])
	if len(t.skipped) > 5 {
		named = strings.TrimSuffix(named, "]") + " …]"
	}
	return []string{fmt.Sprintf("rows of the CSV that were skipped, since it is not certain what they say: %d, in lines %s", len(t.skipped), named)}
}
