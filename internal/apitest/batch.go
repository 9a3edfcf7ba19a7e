package apitest

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
)

// NumberedSID returns a SID that is made from a number.
func NumberedSID(i int) string { return fmt.Sprintf("BU%032x", i) }

// Number returns the number that a SID is made from.
func Number(sid string) int {
	i, _ := strconv.ParseInt(sid[2:], 16, 64)
	return int(i)
}

// Numbered yields the SIDs of the numbers below n, and counts in pulled how many were pulled.
func Numbered(n int, pulled *atomic.Int64) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range n {
			pulled.Add(1)
			if !yield(NumberedSID(i)) {
				return
			}
		}
	}
}

// Every yields the SIDs of the numbers below n, with a wait of d between them.
func Every(d time.Duration, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range n {
			if i > 0 {
				time.Sleep(d)
			}
			if !yield(NumberedSID(i)) {
				return
			}
		}
	}
}

// FetchAll fetches a batch of the SIDs of the numbers below n, and returns the results by index. It
// checks that each SID that was pulled yields one result, except one that is pulled while the batch
// ends.
func FetchAll(ctx context.Context, t testing.TB, client *trusthub.Client, n int, opts ...trusthub.BatchOption) []trusthub.FetchResult {
	t.Helper()
	var pulled atomic.Int64
	results := make([]trusthub.FetchResult, n)
	seen := int64(0)
	for result := range client.FetchCustomerProfiles(ctx, Numbered(n, &pulled), opts...) {
		if results[result.Index].SID != "" || result.SID != NumberedSID(result.Index) || (result.Profile == nil) == (result.Err == nil) {
			t.Errorf("got %d %s, %v, %v", result.Index, result.SID, result.Profile, result.Err)
		}
		results[result.Index] = result
		seen++
	}
	results = results[:seen]
	if missing := pulled.Load() - seen; missing != 0 && (missing != 1 || Failed(results) == 0) {
		t.Errorf("%d results of %d SIDs", seen, pulled.Load())
	}
	return results
}

// Failed counts the results with an error.
func Failed(results []trusthub.FetchResult) (n int) {
	for _, result := range results {
		if result.Err != nil {
			n++
		}
	}
	return n
}
