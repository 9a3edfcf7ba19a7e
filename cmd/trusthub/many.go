package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/seed07fc1495/trusthub"
)

// fetchMany writes the results of many fetches as they complete, and says at the end how they went.
func fetchMany(ctx context.Context, client *trusthub.Client, source *sidSource, write resultWriter, stdout, stderr io.Writer) error {
	progress := newProgress(stderr, source.total)
	out := bufio.NewWriter(stdout)
	done, failed := 0, 0
	for result := range client.FetchCustomerProfiles(ctx, source.sids) {
		if result.Err != nil && ctx.Err() != nil {
			continue // ended, not failed
		}
		done++
		if result.Err != nil {
			failed++
		}
		err := write(out, result)
		if err == nil {
			err = out.Flush() // each as it completes
		}
		if err != nil {
			return failure{err}
		}
		_ = progress.Add(1)
	}
	_ = progress.Clear()
	summary := fmt.Sprintf("%d done, %d failed", done, failed)
	switch {
	case ctx.Err() != nil:
		return failure{errors.New("interrupted: " + summary)}
	case source.broken.Load() != nil:
		return failure{fmt.Errorf("reading the SIDs: %w (%s)", *source.broken.Load(), summary)}
	case failed > 0:
		return failure{errors.New(summary)}
	}
	fmt.Fprintln(stderr, "trusthub:", summary)
	return nil
}

// newProgress shows rate and, if the total is known, the time left, where somebody looks at it.
func newProgress(stderr io.Writer, total int) *progressbar.ProgressBar {
	file, ok := stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) { //nolint:gosec // G115: file descriptors are small
		return progressbar.DefaultSilent(int64(total))
	}
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("profiles"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100_000_000),
	)
}

// sidSource is where many SIDs come from.
type sidSource struct {
	sids   iter.Seq[string]
	total  int                   // -1 when it is not known
	broken atomic.Pointer[error] // why reading ended early; it runs at the same time as what reads the results
}

func newSIDList(sids []string) *sidSource {
	return &sidSource{sids: slices.Values(sids), total: len(sids)}
}

// newSIDReader reads SIDs from lines. Those of a file are counted first.
func newSIDReader(r io.Reader) *sidSource {
	source := &sidSource{total: -1}
	if file, ok := r.(*os.File); ok {
		source.total = countSIDs(file)
	}
	source.sids = func(yield func(string) bool) {
		if err := eachSID(r, yield); err != nil {
			source.broken.Store(&err)
		}
	}
	return source
}

// countSIDs returns -1 for what cannot be read twice.
func countSIDs(file *os.File) int {
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return -1
	}
	count := 0
	err = eachSID(file, func(string) bool { count++; return true })
	if _, seekErr := file.Seek(start, io.SeekStart); err != nil || seekErr != nil {
		return -1
	}
	return count
}

func eachSID(r io.Reader, yield func(string) bool) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "#") && !yield(line) {
			return nil
		}
	}
	return lines.Err()
}

// resultWriter writes one result.
type resultWriter func(io.Writer, trusthub.FetchResult) error

func writeTableRow(w io.Writer, result trusthub.FetchResult) error {
	state, detail := "ERROR", ""
	if result.Err != nil {
		detail = result.Err.Error()
	} else {
		state, detail = string(result.Profile.Status), result.Profile.FriendlyName
	}
	_, err := fmt.Fprintf(w, "%-34s  %-15s  %s\n", printable(result.SID), orDash(printable(state)), orDash(printable(detail)))
	return err
}

// failedResult is a result in ndjson that has no profile.
type failedResult struct {
	SID   string      `json:"sid"`
	Error resultError `json:"error"`
}

type resultError struct {
	Status    int    `json:"status,omitempty"` // of HTTP; none when nothing was answered
	Code      int    `json:"code,omitempty"`   // Twilio's
	RequestID string `json:"request_id,omitempty"`
	Message   string `json:"message"`
}

func writeNDJSON(w io.Writer, result trusthub.FetchResult) error {
	encoder := json.NewEncoder(w)
	if result.Err == nil {
		profile := *result.Profile
		profile.SID = result.SID // which an answer may leave out
		return encoder.Encode(profile)
	}
	failed := failedResult{SID: result.SID, Error: resultError{Message: result.Err.Error()}}
	var apiErr *trusthub.Error
	var decodeErr *trusthub.DecodeError
	switch {
	case errors.As(result.Err, &apiErr):
		failed.Error.Status, failed.Error.Code, failed.Error.RequestID = apiErr.StatusCode, apiErr.Code, apiErr.RequestID
	case errors.As(result.Err, &decodeErr):
		failed.Error.Status, failed.Error.RequestID = decodeErr.StatusCode, decodeErr.RequestID
	}
	return encoder.Encode(failed)
}
