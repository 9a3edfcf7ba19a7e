// Package sleep waits for a time that a context can end.
package sleep

import (
	"context"
	"time"
)

// For waits for d or the end of ctx, whose error it returns.
func For(ctx context.Context, d time.Duration) error {
	// such timers can crash a synctest bubble under the race detector: Go 1.26 runs them on several
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
