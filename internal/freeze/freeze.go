// Package freeze makes connections die in silence, as behind a NAT that has forgotten them: nothing
// arrives any more, and no side gets an error. It is for tests.
package freeze

import (
	"context"
	"net"
	"sync"
)

// Dial is the DialContext of an http.Transport.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Line is a network whose connections can freeze.
type Line struct {
	mu   sync.Mutex
	open map[*conn]bool
}

// Over returns a Dial whose connections go over l.
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

// Freeze freezes the open connections and returns their number. Later connections work.
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
	case <-c.frozen: // data that has arrived since then is lost
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (c *conn) Write(p []byte) (int, error) {
	select {
	case <-c.frozen: // the sender cannot know that it is lost
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
