// Package opaque hides errors in an error's tree from errors.Is and errors.As, and keeps their
// text.
package opaque

import (
	"reflect"
	"slices"
)

// Hide returns err, in which the errors that hides selects, and all below them, are text only.
func Hide(err error, hides func(error) bool) error {
	if !find(err, nobody, hides) {
		return err
	}
	return &opaque{err, hides}
}

// opaque is an error with hidden errors in its tree.
type opaque struct {
	err   error
	hides func(error) bool
}

func (q *opaque) Error() string { return q.err.Error() }

// Is is errors.Is for the errors that are not hidden.
func (q *opaque) Is(target error) bool {
	isComparable := reflect.TypeOf(target).Comparable()
	return find(q.err, q.hides, func(node error) bool {
		is, ok := node.(interface{ Is(error) bool }) //nolint:errorlint // one node, not its chain
		return isComparable && node == target || ok && is.Is(target)
	})
}

// As is errors.As for the errors that are not hidden.
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

// find reports whether the tree of err has a wanted error that is not hidden.
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
