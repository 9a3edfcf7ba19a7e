package sidfile

import (
	"bufio"
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

	records *records
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
	first, err := t.peekHeader(lines)
	if err != nil {
		return nil, err
	}
	if said, ok := strings.CutPrefix(strings.ToLower(first), "sep="); ok && said != "" {
		delimiter = []rune(said)[0]
		t.first++
		_, _ = lines.ReadString('\n')
	} else {
		delimiter = delimiterOf(first)
	}
	t.records = newRecords(lines, delimiter)
	if t.Header, _, _, err = t.records.next(); err != nil && !errors.Is(err, io.EOF) {
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

// peekHeader skips blank lines. It returns the first record, or its start if it is longer than the
// buffer.
func (t *Table) peekHeader(r *bufio.Reader) (string, error) {
	for read := 0; ; {
		sample, err := r.Peek(max(read+1, r.Buffered()))
		if end := endOfRecord(string(sample)); end >= 0 {
			if header := string(sample[:end]); strings.TrimSpace(header) != "" {
				return header, nil
			}
			_, _ = r.Discard(end + 1)
			t.first++
			read = 0
			continue
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
			return string(sample), nil
		case err != nil:
			return "", err
		}
		read = len(sample)
	}
}

// endOfRecord returns the index of the first line feed outside of quotes, or -1.
func endOfRecord(text string) int {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '\n' && !quoted:
			return i
		}
	}
	return -1
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
		cells, line, isCut, err := t.records.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil //nolint:nilnil // the end
		case err != nil:
			return nil, err
		}
		row := &Row{Cells: cells}
		if t.column < len(cells) { // Excel omits empty cells at the end of a row
			row.SID = value(cells[t.column])
		}
		if isCut && !profile.MatchString(row.SID) || row.SID == "" && slices.ContainsFunc(cells, profile.MatchString) || slices.ContainsFunc(cells, hasRows) {
			t.skip(line)
			continue
		}
		if strings.HasPrefix(row.SID, "#") { // a comment, or an error such as #N/A
			row.SID = ""
		}
		return row, nil
	}
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

// Skipped returns the number of skipped rows.
func (t *Table) Skipped() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.skipped)
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
	return []string{fmt.Sprintf("rows of the CSV were skipped, since their SID is uncertain: %d, in lines %s", len(t.skipped), named)}
}
