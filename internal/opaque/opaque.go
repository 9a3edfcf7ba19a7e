// Package opaque hides nodes of an error's tree from errors.Is and errors.As, and keeps their text.
package opaque

import (
	"reflect"
	"slices"
)

// Hide returns err with the nodes that hides selects, and all below them, as text alone.
func Hide(err error, hides func(error) bool) error {
	if !find(err, nobody, hides) {
		return err
	}
	return &opaque{err, hides}
}

// opaque is an error in whose tree some nodes, and all below them, are only text.
type opaque struct {
	err   error
	hides func(error) bool
}

func (q *opaque) Error() string { return q.err.Error() }

// Is looks at the nodes that are not hidden, as errors.Is does.
func (q *opaque) Is(target error) bool {
	isComparable := reflect.TypeOf(target).Comparable()
	return find(q.err, q.hides, func(node error) bool {
		is, ok := node.(interface{ Is(error) bool }) //nolint:errorlint // one node, not its chain
		return isComparable && node == target || ok && is.Is(target)
	})
}

// As looks at the nodes that are not hidden, as errors.As does.
func (q *opaque) As(target any) bool {
	to := reflect.ValueOf(target).Elem()
	return find(q.err, q.hides, func(node error) bool {
		if value := reflect.ValueOf(node); value.Type().AssignableTo(to.Type()) {
			to.Set(value)
			return true
		}
		as, ok := node.(interface{ As(any) bool }) //nolint:errorlint // one node, not its chain
		return ok && as.As(target)
	})
}

// find reports whether the tree of err has a node that is wanted, and that is neither hidden nor
// below one that is.
func find(err error, hides, wanted func(error) bool) bool {
	switch {
	case err == nil || hides(err):
		return false
	case wanted(err):
		return true
	}
	switch parent := err.(type) { //nolint:errorlint // one node, not its chain
	case interface{ Unwrap() error }:
		return find(parent.Unwrap(), hides, wanted)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(parent.Unwrap(), func(child error) bool { return find(child, hides, wanted) })
	}
	return false
}

func nobody(error) bool { return false }
