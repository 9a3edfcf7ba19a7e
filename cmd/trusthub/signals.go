package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends at the first SIGINT or SIGTERM. A second one kills the
// process.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	go func() {
		first := <-caught
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		cancel(signalled{first})
	}()
	return ctx
}

// within calls f and returns its results, or errInterrupted when ctx ends before: neither reading
// from a pipe nor waiting for a lock ends with a context.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		go func() {
			if late, ok := any((<-done).value).(io.Closer); ok {
				_ = late.Close()
			}
		}()
		var none T
		return none, failed(errInterrupted)
	}
}

// signalled is the cause of a context of untilSignal.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return s.String() }

// exit ends the process, by the signal that ended ctx if there was one: a shell ends its loop only
// then.
func exit(ctx context.Context, code int) {
	var by signalled
	if errors.As(context.Cause(ctx), &by) {
		kill(by.Signal)
		if number, ok := by.Signal.(syscall.Signal); ok {
			code = 128 + int(number)
		}
	}
	os.Exit(code)
}
