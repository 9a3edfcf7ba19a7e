package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
)

// input is where SIDs come from: arguments, standard input or a file.
type input struct{ from, column string }

func (in *input) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&in.from, "from", "", "read the SIDs from this file, one a line; a .csv has a header and a column of them")
	cmd.Flags().StringVar(&in.column, "column", "", "the name of that column, which makes any input CSV (default sid)")
}

// isMany reports whether the SIDs are read, not named one by one.
func (in *input) isMany(args []string) bool { return in.from != "" || slices.Contains(args, "-") }

func (in *input) check(args []string) error {
	switch {
	case in.from != "" && len(args) > 0:
		return errors.New("trusthub: --from takes no SIDs beside it")
	case in.isMany(args) && len(args) > 1:
		return errors.New("trusthub: - stands for standard input, and takes no SIDs beside it")
	case !in.isMany(args) && len(args) == 0:
		return errors.New("trusthub: no SID: name some, or - to read them from standard input, or --from FILE")
	case !in.isMany(args) && in.column != "":
		return errors.New("trusthub: --column is for SIDs that are read: use - or --from FILE")
	}
	return nil
}

// sidSource is a stream of SIDs.
type sidSource struct {
	sids     iter.Seq[string]
	total    int // -1 when it is not known
	skipped  atomic.Int64
	complete atomic.Bool           // it was read to its end
	broken   atomic.Pointer[error] // why reading ended early; it runs at the same time as what reads the results
	close    func()
}

// open returns the SIDs but for those to skip. Those of a file are counted first.
func (in *input) open(args []string, stdin io.Reader, skip func(sid string) bool) (*sidSource, error) {
	source := &sidSource{total: len(args), close: func() {}}
	each := func(yield func(string) bool) error { slices.Values(args)(yield); return nil } //nolint:unparam // as those that read
	if in.isMany(args) {
		r := stdin
		if in.from != "" && in.from != "-" {
			file, err := os.Open(in.from)
			if err != nil {
				return nil, fmt.Errorf("trusthub: --from: %w", err)
			}
			r, source.close = file, func() { _ = file.Close() }
		}
		if source.total = in.count(r, skip); source.total == 0 {
			source.total = -1 // a bar cannot show nothing
		}
		var err error
		if each, err = in.scan(r); err != nil {
			source.close()
			return nil, err
		}
	}
	source.sids = func(yield func(string) bool) {
		left := false
		err := each(func(sid string) bool {
			if skip(sid) {
				source.skipped.Add(1)
				return true
			}
			left = !yield(sid)
			return !left
		})
		if err != nil {
			source.broken.Store(&err)
		}
		source.complete.Store(!left && err == nil)
	}
	return source, nil
}

// count returns -1 for what cannot be read twice.
func (in *input) count(r io.Reader, skip func(string) bool) int {
	file, ok := r.(*os.File)
	if !ok {
		return -1
	}
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return -1
	}
	count := 0
	each, err := in.scan(file)
	if err == nil {
		err = each(func(sid string) bool {
			if !skip(sid) {
				count++
			}
			return true
		})
	}
	if _, seekErr := file.Seek(start, io.SeekStart); err != nil || seekErr != nil {
		return -1
	}
	return count
}

// scan returns a function that reads the SIDs, as lines or as a column, once what comes first is found in order.
func (in *input) scan(r io.Reader) (each func(yield func(string) bool) error, err error) {
	text := bufio.NewReader(r)
	if mark, _ := text.Peek(len(byteOrderMark)); bytes.Equal(mark, []byte(byteOrderMark)) {
		_, _ = text.Discard(len(byteOrderMark))
	}
	if in.column != "" || strings.EqualFold(filepath.Ext(in.from), ".csv") {
		return scanColumn(text, in.column)
	}
	return func(yield func(string) bool) error { return scanLines(text, yield) }, nil
}

const byteOrderMark = "\ufeff"

func scanLines(r io.Reader, yield func(string) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20) // for comments
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "#") && !yield(line) {
			return nil
		}
	}
	return lines.Err()
}

func scanColumn(r io.Reader, name string) (each func(yield func(string) bool) error, err error) {
	name = cmp.Or(name, "sid")
	records := csv.NewReader(r)
	header, err := records.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("trusthub: reading the header of the CSV: %w", err)
	}
	column := slices.IndexFunc(header, func(title string) bool { return strings.EqualFold(strings.TrimSpace(title), name) })
	if column < 0 {
		return nil, fmt.Errorf("trusthub: the CSV has no column %q, but %q: choose one by --column", name, header)
	}
	return func(yield func(string) bool) error {
		for {
			record, err := records.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if sid := strings.TrimSpace(record[column]); sid != "" && !strings.HasPrefix(sid, "#") && !yield(sid) {
				return nil
			}
		}
	}, nil
}
