package trusthub

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"
)

// A connection can die in silence, behind a NAT or a balancer that has forgotten it. What is sent into it is lost without an
// error until the kernel gives up, after 15 minutes on Linux (https://docs.kernel.org/networking/ip-sysctl.html, tcp_retries2).

// checkHealth has HTTP/2 ping a connection that is silent, so that one that is dead is closed within half of an attempt, and
// the attempt made again over another. A server sees a ping in 10 s, or in a second when attempts are short.
func checkHealth(transport *http.Transport, attempt time.Duration) {
	if transport.HTTP2 == nil {
		transport.HTTP2 = new(http.HTTP2Config)
	}
	between := func(d, least, most time.Duration) time.Duration { return min(max(d, least), most) }
	transport.HTTP2.SendPingTimeout = cmp.Or(transport.HTTP2.SendPingTimeout, between(attempt/3, time.Second, 10*time.Second))
	transport.HTTP2.PingTimeout = cmp.Or(transport.HTTP2.PingTimeout, between(attempt/6, time.Second, 5*time.Second))
}

// distrustIdle closes idle connections when an attempt has run out of time: they may be as dead as the one that it waited for,
// and then over HTTP/1.1 each would cost another attempt to find out.
func (c *chain) distrustIdle(attempt context.Context) {
	if c.own != nil && errors.Is(attempt.Err(), context.DeadlineExceeded) {
		c.own.CloseIdleConnections()
	}
}
