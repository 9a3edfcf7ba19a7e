package sleep_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed07fc1495/trusthub/internal/sleep"
)

func TestSleepFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, test := range []struct {
			d, took time.Duration
			err     error
		}{
			{time.Second, time.Second, nil},
			{0, 0, nil},
			{-time.Second, 0, nil},
			{time.Hour, 59 * time.Second, context.DeadlineExceeded},
			{0, 0, context.DeadlineExceeded},
		} {
			start := time.Now()
			if err := sleep.For(ctx, test.d); !errors.Is(err, test.err) || time.Since(start) != test.took {
				t.Errorf("%v: got %v after %v", test.d, err, time.Since(start))
			}
		}
	})
}
