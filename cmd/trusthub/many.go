package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
)

// outcome counts the results of many fetches.
type outcome struct {
	fetched, failed int
	// SIDs of the input without a profile that another run would not fetch either
	final      int
	skipped    int64          // SIDs that have a result already
	states     results.States // of the SIDs of this run
	counts     results.Counts // of the SIDs of this run and of earlier ones, by state
	unfinished bool           // another run may fetch more
	why        error          // why the fetches ended early; nil: they did not
}

func (o outcome) String() string {
	text := fmt.Sprintf("%d fetched, %d failed", o.fetched, o.failed)
	if o.skipped > 0 {
		text += fmt.Sprintf(", %d skipped", o.skipped)
	}
	return text
}

// err returns nil if each SID of the input has a profile.
func (o outcome) err() error {
	switch {
	case o.why != nil:
		return failed(fmt.Errorf("%w: %v", o.why, o))
	case o.unfinished:
		return failed(errors.New(o.String()))
	case o.final > 0:
		return failure{exitFinal, errors.New(o.String())}
	}
	return nil
}

// fetchMany writes each result when it completes.
func fetchMany(ctx context.Context, client *trusthub.Client, source *sidSource, earlier *earlier, format resultFormat, bar *progressbar.ProgressBar, w io.Writer,
	opts ...trusthub.BatchOption,
) (outcome, error) {
	out := bufio.NewWriter(w)
	if err := format.begin(out); err != nil {
		return outcome{}, failed(err)
	}
	var o outcome
	for result := range client.FetchCustomerProfiles(ctx, source.sids, opts...) {
		if _, ok := errors.AsType[*trusthub.OptionError](result.Err); ok {
			return o, inFlags(result.Err)
		}
		if result.Index < 0 { // the error of a probe, which ended the batch
			o.endedBy(result.Err)
			continue
		}
		if result.Err != nil && ctx.Err() != nil {
			continue // interrupted, not failed
		}
		result.Err = withFlaw(result.SID, result.Err)
		o.add(result)
		err := format.write(out, result)
		if err == nil {
			err = out.Flush() // each result as it completes
		}
		if err != nil {
			return o, failed(err)
		}
		_ = bar.Add(1)
	}
	_ = bar.Clear()
	o.end(ctx, source)
	o.counts = results.Merge(&earlier.states, &o.states).Counts()
	return o, failed(out.Flush())
}

func (o *outcome) add(result trusthub.FetchResult) {
	err, state := result.Err, results.Again
	switch {
	case err == nil:
		o.fetched++
		state = results.StateOf(result.Profile.Status, nil)
	case isFinal(err):
		o.failed++
		o.final++
		state = results.Final
	default:
		o.failed++
		o.unfinished = true
	}
	o.states.Add([]byte(result.SID), state)
	o.endedBy(err)
}

// endedBy sets why the fetches ended, if err ends a batch.
func (o *outcome) endedBy(err error) {
	switch {
	case errors.Is(err, trusthub.ErrOutage):
		o.why = errors.New("ended by an outage")
	case errors.Is(err, trusthub.ErrUnauthorized):
		o.why = errors.New("ended by a 401")
	}
}

// end sets why the fetches ended. It is called when no more SIDs are pulled.
func (o *outcome) end(ctx context.Context, source *sidSource) {
	o.skipped = source.skipped.Load()
	o.final += int(source.final.Load()) + source.reader.Skipped()
	broken := source.broken.Load()
	switch {
	case ctx.Err() != nil:
		o.why = errInterrupted
	case broken != nil:
		o.why = fmt.Errorf("reading the SIDs: %w", *broken)
	case o.why == nil && !source.complete.Load():
		o.why = errors.New("stopped: the error would affect every SID")
	}
	o.unfinished = o.unfinished || o.why != nil
}

var errInterrupted = errors.New("interrupted")
