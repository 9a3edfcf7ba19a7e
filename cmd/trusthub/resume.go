package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// earlier is the file of an earlier run, to which another one adds.
type earlier struct {
	file *lockedfile.File
	done map[string]bool // SIDs in upper case that have a profile or failed for good
	torn bool            // its last line was
	good string          // the last SID that has a profile

	profiles map[string]json.RawMessage // the last one of each SID in upper case; nil: they are not wanted
	failures map[string]resultError     // after that
}

// openEarlier reads the results in a file, mends its end, and is ready to add to it. A file that does not exist has none. It waits
// for another run that adds to the same file.
func openEarlier(name string) (*earlier, error) {
	return (&earlier{done: make(map[string]bool)}).open("--resume", name)
}

// openState opens such a file for its profiles.
func openState(name string) (*earlier, error) {
	return (&earlier{done: make(map[string]bool), profiles: make(map[string]json.RawMessage), failures: make(map[string]resultError)}).open("--state", name)
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
	return e, nil
}

// read leaves the file at its end, after the last whole line.
func (e *earlier) read() error {
	lines := bufio.NewReader(e.file)
	var end int64
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		if len(line) == 0 {
			_, err := e.file.Seek(end, io.SeekStart)
			return err
		}
		known := e.add(bytes.TrimPrefix(line, []byte("\ufeff"))) // an editor may have put it there
		switch {
		case last && known:
			_, err := e.file.WriteString("\n") // all that was missing
			return err
		case last && !json.Valid(line) && (line[0] == '{' || line[0] == 0): // zeros are what a machine leaves that went down
			return e.cut(end)
		case !known:
			return fmt.Errorf("line %d is not a result: want what -o ndjson writes", number)
		}
		end += int64(len(line))
	}
}

// add takes in one line, and reports whether it is a result.
func (e *earlier) add(line []byte) bool {
	var result struct {
		SID   string
		Error *resultError
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return true
	}
	if json.Unmarshal(line, &result) != nil || result.SID == "" {
		return false
	}
	if result.Error == nil || result.Error.Final {
		e.done[strings.ToUpper(result.SID)] = true
	}
	if result.Error == nil {
		e.good = result.SID
	}
	switch key := strings.ToUpper(result.SID); {
	case e.profiles == nil:
	case result.Error != nil:
		e.failures[key] = *result.Error
	default:
		e.profiles[key] = line
		delete(e.failures, key)
	}
	return true
}

// cut removes a line that was torn when the run ended.
func (e *earlier) cut(end int64) error {
	e.torn = true
	if err := e.file.Truncate(end); err != nil {
		return err
	}
	_, err := e.file.Seek(end, io.SeekStart)
	return err
}

func (e *earlier) has(sid string) bool { return e.done[strings.ToUpper(sid)] }

// resumeCommand is what goes on where a run has ended, in the words of a shell. RESULTS and SIDS stand for what only the
// shell knows.
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

// quote protects a word from the shell.
func quote(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_=./:,+@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
