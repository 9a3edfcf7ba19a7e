package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
)

// IsTLS reports whether an error is one of TLS: an invalid certificate, no common version, or data
// that is not TLS.
func IsTLS(err error) bool {
	operation, isNet := errors.AsType[*net.OpError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	return noTLS || isNet && isAlert(operation) || IsLastingTLS(err)
}

// IsLastingTLS reports whether an error of TLS would come again with the next connection. An alert
// about one connection, such as bad_record_mac, would not.
func IsLastingTLS(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	record, noTLS := errors.AsType[tls.RecordHeaderError](err)
	operation, isNet := errors.AsType[*net.OpError](err)
	switch {
	// the first record was not TLS
	case certificate, errors.Is(err, http.ErrSchemeMismatch), noTLS && record.Conn != nil:
		return true
	case isNet && isAlert(operation):
		return slices.ContainsFunc(lastingAlerts(), func(alert tls.AlertError) bool { return operation.Err.Error() == alert.Error() })
	}
	return err != nil && strings.Contains(err.Error(), "tls: server selected unsupported protocol version")
}

func isAlert(operation *net.OpError) bool {
	return operation.Op == "remote error" || operation.Op == "local error"
}

// lastingAlerts are the alerts of RFC 8446, 6.2, that are about the configuration of a server or a
// client.
func lastingAlerts() []tls.AlertError {
	const (
		handshakeFailure, badCertificate, unsupportedCertificate, certificateRevoked, certificateExpired, certificateUnknown = 40, 42, 43, 44, 45, 46

		unknownCA, accessDenied, protocolVersion, insufficientSecurity = 48, 49, 70, 71

		unrecognizedName, certificateRequired, noApplicationProtocol = 112, 116, 120
	)
	return []tls.AlertError{
		handshakeFailure, badCertificate, unsupportedCertificate, certificateRevoked, certificateExpired, certificateUnknown, unknownCA,
		accessDenied, protocolVersion, insufficientSecurity, unrecognizedName, certificateRequired, noApplicationProtocol,
	}
}
