//go:build race

package trusthub_test

// The race detector empties the pools of the decoder at random.
const (
	mostAllocations = 60
	mostInABatch    = 60
)
