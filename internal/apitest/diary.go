package apitest

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed07fc1495/trusthub"
)

// Diary records what hooks are called with, and the contexts that they return.
type Diary struct {
	mu       sync.Mutex
	Lines    []string
	Attempts []trusthub.AttemptInfo // done
	Calls    []trusthub.CallInfo    // done
}

type diaryKey struct{}

func (d *Diary) write(ctx context.Context, line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	within, _ := ctx.Value(diaryKey{}).(string)
	d.Lines = append(d.Lines, within+line)
}

// Hooks returns the hooks that write.
func (d *Diary) Hooks() trusthub.Option {
	return trusthub.WithHooks(trusthub.Hooks{
		CallStart: func(ctx context.Context, info trusthub.CallInfo) context.Context {
			d.write(ctx, fmt.Sprintf("call %s %s://%s%s", info.Method, info.Scheme, info.Host, info.Route))
			return context.WithValue(ctx, diaryKey{}, "call: ")
		},
		AttemptStart: func(ctx context.Context, info trusthub.AttemptInfo) context.Context {
			d.write(ctx, fmt.Sprintf("attempt %d waited %v", info.Number, info.Waited))
			return context.WithValue(ctx, diaryKey{}, fmt.Sprintf("attempt %d: ", info.Number))
		},
		AttemptDone: func(ctx context.Context, info trusthub.AttemptInfo) {
			d.write(ctx, fmt.Sprintf("%d %s %s took %v, final %v", info.StatusCode, info.RequestID, info.Reason, info.Duration, info.Final))
			d.mu.Lock()
			defer d.mu.Unlock()
			d.Attempts = append(d.Attempts, info)
		},
		CallDone: func(ctx context.Context, info trusthub.CallInfo) {
			d.write(ctx, fmt.Sprintf("done %s after %d attempts", info.Reason, info.Attempts))
			d.mu.Lock()
			defer d.mu.Unlock()
			d.Calls = append(d.Calls, info)
		},
	})
}
