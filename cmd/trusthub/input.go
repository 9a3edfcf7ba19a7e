package main

import (
	"cmp"
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

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/sidfile"
)

// input has the flags for the SIDs: arguments, standard input or a file.
type input struct{ from, column string }

func (in *input) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&in.from, "from", "", "read the SIDs from this file, one on each line, or from a column of a .csv")
	cmd.Flags().StringVar(&in.column, "column", "", "the column of SIDs (default sid); any input is CSV then")
}

// isMany reports whether the SIDs come from a file or from standard input.
func (in *input) isMany(args []string) bool { return in.from != "" || slices.Contains(args, "-") }

func (in *input) check(args []string) error {
	switch {
	case in.from != "" && len(args) > 0:
		return errors.New("trusthub: --from takes no SIDs beside it")
	case in.isMany(args) && len(args) > 1:
		return errors.New("trusthub: - stands for standard input, and takes no SIDs beside it")
	case !in.isMany(args) && len(args) == 0:
		return errors.New("trusthub: no SID: name some, or - to read them from standard input, or --from FILE")
	case in.from != "" && in.from != "-" && isMissing(in.from):
		return fmt.Errorf("trusthub: --from: there is no file %s", in.from)
	case !in.isMany(args) && in.column != "":
		return errors.New("trusthub: --column is for SIDs that are read: use - or --from FILE")
	}
	return nil
}

func isMissing(name string) bool {
	_, err := os.Stat(name)
	return errors.Is(err, os.ErrNotExist)
}

// sidSource is a stream of SIDs.
type sidSource struct {
	sids     iter.Seq[string]
	total    int // -1 if unknown
	skipped  atomic.Int64
	final    atomic.Int64 // skipped SIDs without a profile
	complete atomic.Bool  // the input was read to its end
	// why reading ended early; atomic, since the input runs beside the loop over the results
	broken atomic.Pointer[error]
	reader *sidfile.Reader // has notes about skipped parts; reads nothing for arguments
	close  func()
}

// open returns the SIDs that have no result yet. With count, those of a file are counted first,
// which reads it twice.
func (in *input) open(args []string, stdin io.Reader, earlier *earlier, count bool) (*sidSource, error) {
	source := &sidSource{total: len(args), reader: new(sidfile.Reader), close: func() {}}
	each := func(yield func(string) bool) error { //nolint:unparam // a reader can fail
		trimmed(args)(yield)
		return nil
	}
	if in.isMany(args) {
		r := stdin
		if in.from != "" && in.from != "-" {
			file, err := os.Open(in.from)
			if err != nil {
				return nil, fmt.Errorf("trusthub: --from: %w", err)
			}
			r, source.close = file, func() { _ = file.Close() }
		}
		source.total = -1
		if count {
			source.total = cmp.Or(in.count(r, earlier.has), -1) // a bar cannot show 0
		}
		var err error
		if source.reader, err = in.reader(r); err != nil {
			source.close()
			return nil, fmt.Errorf("trusthub: %s: %w", cmp.Or(in.from, "standard input"), err)
		}
		each = source.reader.Each
	}
	source.sids = func(yield func(string) bool) {
		left := false
		err := each(func(sid string) bool {
			switch earlier.states.Of(sid) {
			case "", results.Again:
				left = !yield(sid)
				return !left
			case results.Final:
				source.final.Add(1)
			}
			source.skipped.Add(1)
			return true
		})
		if err != nil {
			source.broken.Store(&err)
		}
		source.complete.Store(!left && err == nil)
	}
	return source, nil
}

// trimmed yields the SIDs of the arguments.
func trimmed(args []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, arg := range args {
			if sid, _ := sidfile.Trim(arg); !yield(sid) {
				return
			}
		}
	}
}

// count returns -1 for an input that cannot be read twice.
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
	reader, err := in.reader(file)
	if err == nil {
		err = reader.Each(func(sid string) bool {
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

// reader returns a reader of lines, or of a CSV column.
func (in *input) reader(r io.Reader) (*sidfile.Reader, error) {
	if in.column != "" || strings.EqualFold(filepath.Ext(in.from), ".csv") {
		return sidfile.NewColumn(r, in.column)
	}
	return sidfile.NewList(r)
}

// report prints the notes about the input. It returns an error for input of the wrong kind.
func (s *sidSource) report(stderr io.Writer) error {
	for _, note := range s.reader.Notes() {
		fmt.Fprintln(stderr, "trusthub:", note)
	}
	if broken := s.broken.Load(); broken != nil {
		if _, ok := errors.AsType[*sidfile.NoSIDError](*broken); ok {
			return fmt.Errorf("trusthub: reading the SIDs: %w", *broken)
		}
	}
	return nil
}

// withFlaw adds the name of an invisible or non-ASCII character in a malformed SID.
func withFlaw(sid string, err error) error {
	flaw := sidfile.Flaw(sid)
	if flaw == "" || !errors.Is(err, trusthub.ErrInvalidSID) {
		return err
	}
	return fmt.Errorf("%w; it has %s", err, flaw)
}
