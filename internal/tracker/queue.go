package tracker

import (
	"container/heap"
	"strings"
	"time"
)

// key returns the normal form of a SID, since its digits may have either case.
func key(sid string) string {
	if len(sid) < 2 || strings.IndexFunc(sid[2:], func(r rune) bool { return 'A' <= r && r <= 'F' }) < 0 {
		return sid
	}
	return sid[:2] + strings.ToLower(sid[2:])
}

// fifo is a queue.
type fifo struct{ front, back []*entry }

func (q *fifo) len() int { return len(q.front) + len(q.back) }

func (q *fifo) push(e *entry) { q.back = append(q.back, e) }

// pop returns the first entry, or nil.
func (q *fifo) pop() *entry {
	if len(q.front) == 0 {
		q.front, q.back = q.back, nil
	}
	if len(q.front) == 0 {
		return nil
	}
	e := q.front[0]
	q.front[0] = nil
	q.front = q.front[1:]
	return e
}

// timers are the times of entries. Whether an entry has work to do at its time is up to the entry.
type timers struct{ heap timerHeap }

type timer struct {
	at    time.Time
	entry *entry
}

func (t *timers) add(e *entry, at time.Time) { heap.Push(&t.heap, timer{at, e}) }

func (t *timers) first() time.Time {
	if len(t.heap) == 0 {
		return time.Time{}
	}
	return t.heap[0].at
}

// next returns an entry that is due, or nil.
func (t *timers) next(now time.Time) (*entry, time.Time) {
	if len(t.heap) == 0 || t.heap[0].at.After(now) {
		return nil, time.Time{}
	}
	first := heap.Pop(&t.heap).(timer) //nolint:forcetypeassert // it holds nothing else
	return first.entry, first.at
}

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) } //nolint:forcetypeassert // as above
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	popped := (*h)[last]
	(*h)[last] = timer{}
	*h = (*h)[:last]
	return popped
}
