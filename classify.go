package trusthub

import (
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/decode"
)

// classify says once how an attempt ended, for all that decide what follows.
func classify(a *answer, err error, took time.Duration) attempt.Outcome {
	if a != nil {
		err = a.failure
	}
	o := attempt.Outcome{Took: took, Err: err}
	if apiErr, ok := errors.AsType[*Error](err); ok {
		o.RetryAfter = apiErr.RetryAfter
		if apiErr.StatusCode == http.StatusTooManyRequests {
			o.Kind = attempt.Throttled
			return o
		}
	}
	switch {
	case err == nil:
		o.Kind = attempt.Succeeded
	case errors.Is(err, ErrUnauthorized):
		o.Kind = attempt.Unauthorized
	case isCertificate(err), isUnsent(err) && !isTransient(err):
		o.Kind = attempt.Fatal
	case isTransient(err):
		o.Kind = attempt.Transient
	case a != nil:
		o.Kind = attempt.Rejected
	default:
		o.Kind = attempt.Final
	}
	return o
}

// judge says what is wrong with an answer before it is decoded.
func (a *answer) judge(from origin) {
	if a.bodyErr != nil && !errors.Is(a.bodyErr, ErrResponseTooLarge) {
		a.bodyErr = &sendError{from: from, err: a.bodyErr}
	}
	switch {
	case a.StatusCode/100 != 2:
		a.failure = newError(a, from)
	case a.bodyErr != nil:
		a.failure = newDecodeError(a, from, "", a.bodyErr)
	}
}

// isTransient reports whether another attempt may end better than with failure.
func isTransient(failure error) bool {
	if apiErr, ok := errors.AsType[*Error](failure); ok {
		return slices.Contains([]int{
			http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}, apiErr.StatusCode)
	}
	if opinion, ok := errors.AsType[retryable](failure); ok {
		return opinion.Retryable()
	}
	if decodeErr, ok := errors.AsType[*DecodeError](failure); ok {
		return isTorn(decodeErr.Err)
	}
	return !isCertificate(failure) && !isUnsent(failure)
}

func isCertificate(failure error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](failure)
	return certificate
}

func isUnsent(err error) bool {
	_, unsent := errors.AsType[*unsentError](err)
	return unsent
}

// isTorn reports whether the cause of a DecodeError is what happened to the body on its way, and not what it holds.
func isTorn(cause error) bool {
	return cause != nil && !decode.IsContent(cause) && !errors.Is(cause, ErrResponseTooLarge)
}

// retryable is an error, of middleware for example, that knows whether another attempt may help.
type retryable interface {
	error
	Retryable() bool
}
