package trusthub

import (
	"reflect"
	"slices"
)

// quote returns an error that comes from outside of a call: from its Auth, its middleware or its transport. What other calls of this
// package have left in its chain is text, and answers neither errors.Is nor errors.As: it is not how this call ended.
func quote(err error) error { return newQuoted(err, isOfCall) }

// quoteCause does the same with the cause of a context, which says nothing about the call, not even by one of our named errors.
func quoteCause(err error) error {
	return newQuoted(err, func(node error) bool { return isOfCall(node) || slices.Contains(named(), node) })
}

func newQuoted(err error, hides func(error) bool) error {
	if !find(err, nobody, hides) {
		return err
	}
	return &quoted{err, hides}
}

func isOfCall(node error) bool {
	switch node.(type) { //nolint:errorlint // one node, not its chain
	case failure, *endedError:
		return true
	}
	return false
}

func named() []error {
	return []error{ErrUnauthorized, ErrForbidden, ErrNotFound, ErrTooManyRequests, ErrOutage, ErrInvalidSID, ErrResponseTooLarge}
}

// quoted is an error in whose tree some nodes, and all below them, are only text.
type quoted struct {
	err   error
	hides func(error) bool
}

func (q *quoted) Error() string { return q.err.Error() }

// Is looks at the nodes that are not hidden, as errors.Is does.
func (q *quoted) Is(target error) bool {
	isComparable := reflect.TypeOf(target).Comparable()
	return find(q.err, q.hides, func(node error) bool {
		is, ok := node.(interface{ Is(error) bool }) //nolint:errorlint // one node, not its chain
		return isComparable && node == target || ok && is.Is(target)
	})
}

// As looks at the nodes that are not hidden, as errors.As does.
func (q *quoted) As(target any) bool {
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

// find reports whether the tree of err has a node that is wanted, and that is neither hidden nor below one that is.
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
