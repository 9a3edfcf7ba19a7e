//go:build !race

package trusthub_test

const (
	mostAllocations = 48
	mostInABatch    = 45
)
