package results

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/decode"
)

// Result is the last line of a SID: a profile or an error. It has neither if there is no line.
type Result struct {
	SID     string
	Profile *trusthub.CustomerProfile
	Error   *Error
}

// File is a file of results. For each SID it keeps the offset of the last line, not the line.
type File struct {
	*os.File
	size     int64 // when it was opened: it may grow
	last     map[Key]place
	others   map[string]place // of malformed SIDs
	obsolete map[int64]bool   // offsets of lines that a later one replaces
	states   []string
}

// place is the offset of a line and, in the lowest 8 bits, the index of its state.
type place int64

func (p place) offset() int64 { return int64(p >> 8) }

// Open reads a file once.
func Open(name string) (*File, error) {
	file, err := os.Open(name) //nolint:gosec // G304: the user's own
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	f := &File{File: file, size: info.Size(), last: make(map[Key]place), others: make(map[string]place), obsolete: make(map[int64]bool)}
	number := 0
	err = f.lines(func(line *Line) error {
		number++
		// a last line without an end may be truncated: fetch --resume fixes it
		if line.SID == nil && len(line.Text) > 0 && line.HasEnd {
			return fmt.Errorf("line %d is not a result: want the output of fetch -o ndjson", number)
		}
		f.add(line)
		return nil
	}, briefly)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return f, nil
}

// lines calls do for each line.
func (f *File) lines(do func(*Line) error, how parsing) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	line, reader := new(Line), NewReader(io.LimitReader(f.File, f.size))
	reader.parsing = how
	for {
		switch err := reader.Next(line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := do(line); err != nil {
			return err
		}
	}
}

func (f *File) add(line *Line) {
	if line.SID == nil || !line.HasEnd && !json.Valid(line.Text) {
		f.obsolete[line.Offset] = true
		return
	}
	state := StateOf(trusthub.CustomerProfileStatus(line.Status), line.Error())
	i := slices.Index(f.states, state)
	if i < 0 {
		i = len(f.states)
		f.states = append(f.states, state)
	}
	before, ok := f.place(line.SID)
	if ok {
		f.obsolete[before.offset()] = true
	}
	here := place(line.Offset<<8 | int64(i))
	if key, ok := KeyOf(line.SID); ok {
		f.last[key] = here
	} else {
		f.others[strings.ToUpper(string(line.SID))] = here
	}
}

func (f *File) place(sid []byte) (p place, ok bool) {
	if key, valid := KeyOf(sid); valid {
		p, ok = f.last[key]
	} else {
		p, ok = f.others[strings.ToUpper(string(sid))]
	}
	return p, ok
}

// Counts returns the number of SIDs in each state.
func (f *File) Counts() Counts {
	counts := make(Counts)
	for _, p := range f.last {
		counts[f.states[p&0xff]]++
	}
	for _, p := range f.others {
		counts[f.states[p&0xff]]++
	}
	return counts
}

// Each reads the file again. It calls do for the last line of each SID, in the order of the file.
func (f *File) Each(do func(*Result) error) error {
	return f.lines(func(line *Line) error {
		if f.obsolete[line.Offset] {
			return nil
		}
		result, err := resultOf(line)
		if err != nil {
			return err
		}
		return do(result)
	}, unparsed)
}

// Find returns the last line of a SID, or nil.
func (f *File) Find(sid string) (*Result, error) {
	p, ok := f.place([]byte(sid))
	if !ok {
		return nil, nil //nolint:nilnil // there is none
	}
	line := new(Line)
	if err := NewReader(io.NewSectionReader(f.File, p.offset(), math.MaxInt64-p.offset())).Next(line); err != nil {
		return nil, err
	}
	return resultOf(line)
}

// resultOf decodes a line like the SDK decodes a response.
func resultOf(line *Line) (*Result, error) {
	profile := new(trusthub.CustomerProfile)
	_, err := decode.Object("application/json", line.Text, profile)
	if err == nil && profile.SID != "" && !bytes.Contains(line.Text, []byte(`"error"`)) {
		return &Result{SID: profile.SID, Profile: profile}, nil
	}
	var failed struct {
		SID   string
		Error *Error
	}
	_ = json.Unmarshal(line.Text, &failed) // cannot fail: it was decoded before
	switch {
	case failed.Error != nil:
		return &Result{SID: failed.SID, Error: failed.Error}, nil
	case err != nil:
		return nil, fmt.Errorf("a profile cannot be read: %s: %s", failed.SID, cmp.Or(decode.Describe(err), err.Error()))
	}
	return &Result{SID: failed.SID, Profile: profile}, nil
}
