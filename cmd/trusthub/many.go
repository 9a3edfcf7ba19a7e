package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"

	"github.com/seed07fc1495/trusthub"
)

// outcome is how many fetches went.
type outcome struct {
	done, failed int
	skipped      int64
	unfinished   bool  // there is something to go on with
	why          error // the fetches ended, if they did not come to their end
}

func (o outcome) String() string {
	text := fmt.Sprintf("%d done, %d failed", o.done, o.failed)
	if o.skipped > 0 {
		text += fmt.Sprintf(", %d skipped", o.skipped)
	}
	return text
}

// err is nil when all that was asked for came.
func (o outcome) err() error {
	switch {
	case o.why != nil:
		return failed(fmt.Errorf("%w: %v", o.why, o))
	case o.failed > 0:
		return failed(errors.New(o.String()))
	}
	return nil
}

// fetchMany writes the results of many fetches as they complete.
func fetchMany(ctx context.Context, client *trusthub.Client, source *sidSource, format resultFormat, bar *progressbar.ProgressBar, w io.Writer,
	opts ...trusthub.BatchOption,
) (outcome, error) {
	out := bufio.NewWriter(w)
	if err := format.begin(out); err != nil {
		return outcome{}, failed(err)
	}
	var o outcome
	for result := range client.FetchCustomerProfiles(ctx, source.sids, opts...) {
		if result.Index < 0 {
			return o, inFlags(result.Err)
		}
		if result.Err != nil && ctx.Err() != nil {
			continue // ended, not failed
		}
		result.Err = withFlaw(result.SID, result.Err)
		o.add(result.Err)
		err := format.write(out, result)
		if err == nil {
			err = out.Flush() // each as it completes
		}
		if err != nil {
			return o, failed(err)
		}
		_ = bar.Add(1)
	}
	_ = bar.Clear()
	o.end(ctx, source)
	return o, failed(out.Flush())
}

func (o *outcome) add(err error) {
	o.done++
	if err != nil {
		o.failed++
	}
	switch {
	case errors.Is(err, trusthub.ErrOutage):
		o.why = errors.New("ended by an outage")
	case errors.Is(err, trusthub.ErrUnauthorized):
		o.why = errors.New("ended by refused credentials")
	}
	o.unfinished = o.unfinished || err != nil && !isFinal(err)
}

// end says why the fetches are over. Whether all was read is known when nothing is pulled any more.
func (o *outcome) end(ctx context.Context, source *sidSource) {
	o.skipped = source.skipped.Load()
	broken := source.broken.Load()
	switch {
	case ctx.Err() != nil:
		o.why = errInterrupted
	case broken != nil:
		o.why = fmt.Errorf("reading the SIDs: %w", *broken)
	case o.why == nil && !source.complete.Load():
		o.why = errors.New("ended by what no other SID would fare better with") // a certificate, for example
	}
	o.unfinished = o.unfinished || o.why != nil
}

var errInterrupted = errors.New("interrupted")
