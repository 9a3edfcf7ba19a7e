// Package sleep waits until a time has passed or a context has ended.
package sleep

import (
	"context"
	"time"
)

// For waits for d or the end of ctx, whose error it returns.
func For(ctx context.Context, d time.Duration) error {
	// a timer of 0 can crash a synctest bubble under the race detector: Go 1.26 runs it on several
	// threads at a time
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
