package trusthub

import (
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
)

// IsRetryable reports whether the same call may succeed when it is made again later; the attempts that a call makes by
// itself are over by then. Yes: no answer, an answer that did not come in time or broke off, and the statuses 429, 500,
// 502, 503 and 504. No: nil, the end of the caller's own context, a bad certificate, failed authentication, another
// status, a complete answer that is not the profile asked for, [ErrInvalidSID], and what is not the error of a call. An
// error of an [Auth], a middleware or a transport decides for itself if it has a method Retryable() bool.
func IsRetryable(err error) bool {
	sent, unanswered := errors.AsType[*sendError](err)
	if unanswered && sent.ended {
		return false
	}
	_, refused := errors.AsType[*Error](err)
	_, undecoded := errors.AsType[*DecodeError](err)
	return (unanswered || refused || undecoded) && isTransient(err)
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
	_, certificate := errors.AsType[*tls.CertificateVerificationError](failure)
	return !certificate && !isUnsent(failure)
}

// retryable is an error, of middleware for example, that knows whether another attempt may help.
type retryable interface {
	error
	Retryable() bool
}
