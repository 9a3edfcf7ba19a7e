package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// progressFlags are the flags of the progress bar.
type progressFlags struct{ always, never bool }

func (p *progressFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.always, "progress", false, "show a progress bar (default when standard error is a terminal and standard output is not)")
	cmd.Flags().BoolVar(&p.never, "no-progress", false, "show no progress bar")
	cmd.MarkFlagsMutuallyExclusive("progress", "no-progress")
}

// bar shows the rate and, if the total is known, the time left. It is shown on a terminal to which
// no results are written.
func (p *progressFlags) bar(total int, results, stderr io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetVisibility(p.isShown(results, stderr)),
		progressbar.OptionSetSpinnerChangeInterval(0), // otherwise a goroutine draws again after Clear
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("profiles"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100*time.Millisecond),
	)
}

func (p *progressFlags) isShown(results, stderr io.Writer) bool {
	return p.always || !p.never && isTerminal(stderr) && !isTerminal(results)
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) //nolint:gosec // G115: file descriptors are small
}
