package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
)

// earlier is the file of an earlier run, to which this run adds.
type earlier struct {
	file   *lockedfile.File
	states results.States
	torn   bool   // the last line was truncated
	good   []byte // the last SID with a profile; nil: none

	// the last profile of each SID in upper case; nil: not needed
	profiles map[string]json.RawMessage
	failures map[string]results.Error // the last failures, each after its profile
}

// openEarlier reads the results in a file and repairs its end. A missing file is empty. It waits
// for another run that has the file open.
func openEarlier(ctx context.Context, name string) (*earlier, error) {
	return within(ctx, func() (*earlier, error) { return new(earlier).open("--resume", name) })
}

// openState opens a file of results and keeps the profiles.
func openState(ctx context.Context, name string) (*earlier, error) {
	e := &earlier{profiles: make(map[string]json.RawMessage), failures: make(map[string]results.Error)}
	return within(ctx, func() (*earlier, error) { return e.open("--state", name) })
}

func (e *earlier) open(flag, name string) (*earlier, error) {
	file, err := lockedfile.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("trusthub: %s: %w", flag, err)
	}
	e.file = file
	if err := e.read(); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("trusthub: %s: %s: %w", flag, name, err)
	}
	e.states.Sort()
	return e, nil
}

// Close closes the file, if there is one.
func (e *earlier) Close() error {
	if e == nil || e.file == nil {
		return nil
	}
	return e.file.Close()
}

// read reads the lines. The file is at its end then, after the last complete line.
func (e *earlier) read() error {
	info, err := e.file.Stat()
	if err != nil {
		return err
	}
	const sample = 1000
	lines := results.NewReader(e.file)
	for number := 1; ; number++ {
		var line results.Line
		switch err := lines.Next(&line); {
		case errors.Is(err, io.EOF):
			_, err := e.file.Seek(0, io.SeekEnd)
			return err
		case err != nil:
			return err
		}
		if number == sample && line.Offset > 0 { // once, instead of doubling many times
			e.states.Grow(int(sample * info.Size() / line.Offset))
		}
		isResult := len(line.Text) == 0 || line.SID != nil
		switch {
		case isResult:
			e.add(&line)
		// a crash of the machine can leave zeros
		case !line.HasEnd && !json.Valid(line.Text) && (line.Text[0] == '{' || line.Text[0] == 0):
			return e.cut(line.Offset)
		default:
			return fmt.Errorf("line %d is not a result: want the output of fetch -o ndjson", number)
		}
		if !line.HasEnd {
			_, err := e.file.WriteString("\n") // only the line feed was missing
			return err
		}
	}
}

// add adds the result of a line.
func (e *earlier) add(line *results.Line) {
	if line.SID == nil {
		return
	}
	failure := line.Error()
	e.states.Add(line.SID, results.StateOf(trusthub.CustomerProfileStatus(line.Status), failure))
	if failure == nil {
		e.good = append(e.good[:0], line.SID...)
	}
	if e.profiles == nil {
		return
	}
	switch key := strings.ToUpper(string(line.SID)); {
	case failure != nil:
		e.failures[key] = *failure
	default:
		e.profiles[key] = bytes.Clone(line.Text)
		delete(e.failures, key)
	}
}

// cut removes a truncated last line.
func (e *earlier) cut(end int64) error {
	e.torn = true
	if err := e.file.Truncate(end); err != nil {
		return err
	}
	_, err := e.file.Seek(end, io.SeekStart)
	return err
}

// has reports whether a SID has a profile or a final failure.
func (e *earlier) has(sid string) bool {
	state := e.states.Of(sid)
	return state != "" && state != results.Again
}

// resumeCommand returns the shell command that continues a run. RESULTS and SIDS stand for files
// that only the shell knows.
func resumeCommand(cmd *cobra.Command, args []string, in *input, results string) string {
	words := []string{cmd.CommandPath()}
	for _, arg := range args {
		words = append(words, quote(arg))
	}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if flag.Name != "resume" && flag.Name != "output" {
			words = append(words, quote("--"+flag.Name+"="+flag.Value.String()))
		}
	})
	if results == "" {
		words = append(words, "--resume RESULTS")
	} else {
		words = append(words, "--resume "+quote(results))
	}
	if in.isMany(args) && (in.from == "" || in.from == "-") {
		words = append(words, "< SIDS")
	}
	return strings.Join(words, " ")
}

// quote quotes a word for the shell.
func quote(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_=./:,+@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
