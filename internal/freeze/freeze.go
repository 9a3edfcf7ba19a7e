// Package freeze has connections die in silence, as they do behind a NAT or a balancer that has
// forgotten them: nothing arrives any more, and nobody is told. It is for tests.
package freeze

import (
	"context"
	"net"
	"sync"
)

// Dial is the DialContext of an http.Transport.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Line is what connections go over.
type Line struct {
	mu   sync.Mutex
	open map[*conn]bool
}

// Over returns dial, over l.
func (l *Line) Over(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		inner, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: inner, line: l, frozen: make(chan struct{}), closed: make(chan struct{})}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open == nil {
			l.open = make(map[*conn]bool)
		}
		l.open[c] = true
		return c, nil
	}
}

// Freeze has the connections that are open die, and tells how many. Those that are opened later
// live.
func (l *Line) Freeze() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.open)
	for c := range l.open {
		close(c.frozen)
	}
	clear(l.open)
	return n
}

type conn struct {
	net.Conn
	line           *Line
	frozen, closed chan struct{}
	once           sync.Once
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.frozen: // what has arrived since has not
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (c *conn) Write(p []byte) (int, error) {
	select {
	case <-c.frozen: // it is on its way, for all that the sender knows
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.line.mu.Lock()
		delete(c.line.open, c)
		c.line.mu.Unlock()
		close(c.closed)
	})
	return c.Conn.Close()
}
