//go:build !race

package trusthub_test

const mostAllocations = 50
