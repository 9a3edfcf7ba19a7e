package attempt_test

import (
	"testing"

	"github.com/seed07fc1495/trusthub/internal/attempt"
)

func TestKinds(t *testing.T) {
	for kind, want := range map[attempt.Kind]struct{ retryable, conclusive bool }{
		attempt.Succeeded:    {false, true},
		attempt.Rejected:     {false, true},
		attempt.Final:        {false, false},
		attempt.Throttled:    {true, false},
		attempt.Transient:    {true, false},
		attempt.Gateway:      {false, false},
		attempt.Unauthorized: {false, false},
		attempt.Fatal:        {false, false},
	} {
		o := &attempt.Outcome{Kind: kind}
		if o.Retryable() != want.retryable || o.Conclusive() != want.conclusive {
			t.Errorf("kind %d: retryable %v, conclusive %v", kind, o.Retryable(), o.Conclusive())
		}
	}
}
