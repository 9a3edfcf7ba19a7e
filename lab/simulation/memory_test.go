package simulation

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestMemoryOfWaiting prints the memory of a bad SID that waits for its next attempt. 300 bad SIDs
// alternate with good ones, because in a row they would be an outage.
func TestMemoryOfWaiting(t *testing.T) {
	s := scenario{bound: 64, bad: make([]bool, 601), fault: fault{status: 503, retryAfter: 10}}
	for i := range s.bad {
		s.bad[i] = i%2 == 1
	}
	failed := 0
	s.rules = []rule{func(_ *world, index int, _ time.Duration) (fault, bool) {
		if s.bad[index] {
			failed++
		}
		return fault{}, false
	}}
	synctest.Test(t, func(t *testing.T) {
		w, client := s.world(t, 1, 0)
		var before, after uint64
		waiting := 0
		for range client.FetchCustomerProfiles(t.Context(), func(yield func(string) bool) {
			before = used()
			time.AfterFunc(9*time.Second, func() { // after the first attempt of every SID
				w.mu.Lock()
				defer w.mu.Unlock()
				after, waiting = used(), failed
			})
			s.input(yield)
		}) {
			continue
		}
		show(t, fmt.Sprintf("%d SIDs wait, %d bytes each", waiting, (after-before)/uint64(max(waiting, 1))))
	})
}

// used returns the bytes of heap and stacks in use.
func used() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
