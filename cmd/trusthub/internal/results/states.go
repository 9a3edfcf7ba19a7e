package results

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// States holds the states of many SIDs, in 17 bytes each. The last state of a SID counts. It is not
// safe for concurrent use.
type States struct {
	known  []known
	sorted bool
	names  []string       // names of states
	others map[string]int // states of malformed SIDs, by index in names
}

type known struct {
	key   Key
	state uint8
}

// The states of a SID without a profile. All other states are statuses of profiles.
const (
	Final = "failed for good"
	Again = "to be fetched again"
)

// StateOf returns the state of a SID: that of its failure, or that of its profile if failure is
// nil. All undocumented statuses are one state.
func StateOf(status trusthub.CustomerProfileStatus, failure *Error) string {
	switch {
	case failure != nil && failure.Final:
		return Final
	case failure != nil:
		return Again
	case status == "":
		return "without a status"
	case !status.Valid():
		return "with an undocumented status"
	}
	return string(status)
}

// Add adds the state of a SID.
func (s *States) Add(sid []byte, state string) {
	if key, ok := KeyOf(sid); ok {
		s.known, s.sorted = append(s.known, known{key, uint8(s.name(state))}), false //nolint:gosec // G115: there are nine
		return
	}
	s.addOther(strings.ToUpper(string(sid)), state)
}

func (s *States) addOther(sid, state string) {
	if s.others == nil {
		s.others = make(map[string]int)
	}
	s.others[sid] = s.name(state)
}

// name returns the index of a state in names.
func (s *States) name(state string) int {
	i := slices.Index(s.names, state)
	if i < 0 {
		i = len(s.names)
		s.names = append(s.names, state)
	}
	return i
}

// Merge returns the states of all. Those of the later ones count.
func Merge(all ...*States) *States {
	merged := new(States)
	for _, s := range all {
		merged.Grow(len(s.known))
		for _, one := range s.known {
			merged.known = append(merged.known, known{one.key, uint8(merged.name(s.names[one.state]))}) //nolint:gosec // G115: there are nine
		}
		for sid, i := range s.others {
			merged.addOther(sid, s.names[i])
		}
	}
	return merged
}

// Grow makes room for n more SIDs.
func (s *States) Grow(n int) { s.known = slices.Grow(s.known, n) }

// Of returns the state of a SID; "" if it has none.
func (s *States) Of(sid string) string {
	key, ok := KeyOf([]byte(sid))
	if !ok {
		if i, ok := s.others[strings.ToUpper(sid)]; ok {
			return s.names[i]
		}
		return ""
	}
	s.Sort()
	i, found := slices.BinarySearchFunc(s.known, known{key: key}, compare)
	if !found {
		return ""
	}
	return s.names[s.known[i].state]
}

// Sort sorts the SIDs, and keeps the last state of each. Then several goroutines may call Of.
func (s *States) Sort() {
	if s.sorted {
		return
	}
	slices.Reverse(s.known)
	slices.SortStableFunc(s.known, compare)
	s.known = slices.CompactFunc(s.known, func(a, b known) bool { return a.key == b.key })
	s.sorted = true
}

func compare(a, b known) int { return bytes.Compare(a.key[:], b.key[:]) }

// Counts returns the number of SIDs in each state.
func (s *States) Counts() Counts {
	s.Sort()
	counts := make(Counts)
	for _, one := range s.known {
		counts[s.names[one.state]]++
	}
	for _, i := range s.others {
		counts[s.names[i]]++
	}
	return counts
}

// Counts is the number of SIDs in each state.
type Counts map[string]int

// Total returns the number of SIDs.
func (c Counts) Total() (n int) {
	for _, count := range c {
		n += count
	}
	return n
}

// String lists the states, those without a profile last.
func (c Counts) String() string {
	states := slices.SortedFunc(func(yield func(string) bool) {
		for state := range c {
			if c[state] > 0 && !yield(state) {
				return
			}
		}
	}, func(a, b string) int { return strings.Compare(order(a), order(b)) })
	var parts []string
	for _, state := range states {
		parts = append(parts, fmt.Sprintf("%d %s", c[state], text.Clean(state)))
	}
	return fmt.Sprintf("%d in all: %s", c.Total(), strings.Join(parts, ", "))
}

func order(state string) string {
	switch state {
	case Final:
		return "~1"
	case Again:
		return "~2"
	}
	return state
}
