package sidfile

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// records reads the records of a CSV file. A quote that is never closed costs one line, not the
// rest of the file: a record of several lines that contains a SID, or is too long, is read as its
// first line alone, and the others are read again.
type records struct {
	csv     *csv.Reader
	comma   rune
	lines   *bufio.Reader
	again   []string // lines to read again
	record  []string // lines of the current record
	size    int      // of the current record in bytes
	sids    int      // lines of the current record with a SID
	stopped bool     // the current record has more than one, or is too long
	rest    string   // part of a line that csv has not read yet
	started int      // lines before the current record
}

// maxRecord bounds a record of several lines, in bytes.
const maxRecord = 1 << 16

func newRecords(lines *bufio.Reader, comma rune) *records {
	r := &records{lines: lines, comma: comma}
	r.csv = r.reader(r)
	return r
}

func (r *records) reader(from io.Reader) *csv.Reader {
	reader := csv.NewReader(from)
	reader.Comma, reader.LazyQuotes, reader.FieldsPerRecord = r.comma, true, -1
	return reader
}

// next returns the cells of the next record, and the number of its first line. isCut means that
// they are the first line of a longer record. The error at the end is io.EOF.
func (r *records) next() (cells []string, line int, isCut bool, err error) {
	r.started += len(r.record)
	r.record, r.size, r.sids, r.stopped, r.rest = nil, 0, 0, false, ""
	cells, err = r.csv.Read()
	if len(r.record) > 1 && (r.stopped || slices.ContainsFunc(cells, hasRows)) {
		r.again = append(slices.Clone(r.record[1:]), r.again...)
		r.record = r.record[:1]
		r.csv = r.reader(r)
		isCut = true
		cells, err = r.reader(strings.NewReader(r.record[0])).Read()
	}
	return cells, r.started + 1, isCut, err
}

// hasRows reports whether a cell of several lines contains a SID, since its quote is never closed.
func hasRows(cell string) bool {
	return strings.Contains(strings.TrimSpace(cell), "\n") && profile.MatchString(cell)
}

// Read gives csv one line at a time, so that it reads no further than the end of a record.
func (r *records) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.stopped = len(r.record) > 1 && (r.size > maxRecord || r.sids > 1); r.stopped {
			return 0, io.EOF
		}
		if err := r.readLine(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *records) readLine() error {
	for {
		if len(r.again) > 0 {
			r.rest, r.again = r.again[0], r.again[1:]
		} else {
			var err error
			if r.rest, err = r.lines.ReadString('\n'); err != nil && (r.rest == "" || !errors.Is(err, io.EOF)) {
				return err
			}
		}
		if len(r.record) == 0 && strings.TrimSpace(r.rest) == "" {
			r.started++ // csv skips blank lines in front of a record
			continue
		}
		r.record, r.size = append(r.record, r.rest), r.size+len(r.rest)
		if profile.MatchString(r.rest) {
			r.sids++
		}
		return nil
	}
}
