//go:build race

package apitest

// Race reports whether the race detector is on, which empties pools at random.
const Race = true
