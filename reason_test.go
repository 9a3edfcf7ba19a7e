package trusthub_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub"
)

func TestReasons(t *testing.T) {
	hang := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	})
	for name, test := range map[string]struct {
		reply roundTripFunc
		want  trusthub.Reason
	}{
		"503":                {canned(503, nil, ""), trusthub.ReasonStatus},
		"no answer":          {hang, trusthub.ReasonTimeout},
		"dial time-out":      {broken(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), trusthub.ReasonTimeout},
		"connection refused": {broken(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), trusthub.ReasonRefused},
		"unreachable":        {broken(&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}), trusthub.ReasonRefused},
		"reset":              {broken(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), trusthub.ReasonReset},
		"end of file":        {broken(io.EOF), trusthub.ReasonReset},
		"torn":               {torn, trusthub.ReasonTorn},
		"unknown host":       {broken(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "h", IsNotFound: true}}), trusthub.ReasonDNS},
		"certificate":        {broken(&tls.CertificateVerificationError{Err: errors.New("expired")}), trusthub.ReasonTLS},
		"alert":              {broken(&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}), trusthub.ReasonTLS},
		"not TLS":            {broken(tls.RecordHeaderError{}), trusthub.ReasonTLS},
		"too large":          {canned(200, nil, "0123456789ab"), trusthub.ReasonTooLarge},
		"unknown":            {broken(errors.New("middleware")), trusthub.ReasonOther},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				_, err := over(t, test.reply, d.hooks(), trusthub.WithMaxResponseBytes(10)).FetchCustomerProfile(t.Context(), sid)
				if err == nil || len(d.attempts) != 1 || d.attempts[0].Reason != test.want || d.calls[0].Reason != test.want {
					t.Errorf("got %v, %+v, %+v", err, d.attempts, d.calls)
				}
			})
		})
	}
}

// The end of the caller's context is that, whatever it ended.
func TestReasonOfAnEndedContext(t *testing.T) {
	inBothWays(t, func(t *testing.T, fetch fetchFunc) {
		var d diary
		client := over(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, context.Cause(req.Context())
		}), d.hooks())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = fetch(ctx, client)
		if d.attempts[0].Reason != trusthub.ReasonCanceled || !d.attempts[0].Final || d.calls[0].Reason != trusthub.ReasonCanceled {
			t.Errorf("got %+v, %+v", d.attempts, d.calls)
		}
	})
}
