package fanout_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub/internal/fanout"
)

// open is a gate that always permits the next pull.
type open struct{}

func (open) AwaitPull(context.Context) bool { return true }
func (open) Pulled()                        {}
func (open) Yielded()                       {}
func (open) InputEnded()                    {}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fanout.New(func(_ context.Context, index int, item string, out *string) {
			*out = "failed " + item
			if item == "goexit" {
				runtime.Goexit()
			}
			time.Sleep(time.Second)
			*out = item
		})
		var got []string
		s.Run(t.Context(), open{}, slices.Values([]string{"a", "b", "c", "d", "e"}), func(out string) bool { got = append(got, out); return true })
		slices.Sort(got)
		if !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
			t.Errorf("got %q", got)
		}
	})
}
