package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// hand is what a worker has pulled and not yet settled, by SID.
type hand struct {
	mu       sync.Mutex
	messages map[string][]jetstream.Msg
}

// pull takes messages from the queue, each when it is needed: one that waited here would only be kept from other workers.
// When it cannot, it calls end.
func (h *hand) pull(ctx context.Context, end context.CancelCauseFunc, consumer jetstream.Consumer) iter.Seq[string] {
	return func(yield func(string) bool) {
		for ctx.Err() == nil {
			message, err := consumer.Next(jetstream.FetchContext(ctx))
			switch {
			case isIdle(err):
				continue
			case err != nil:
				end(fmt.Errorf("audit: the queue is out of reach: %w", err))
				return
			}
			if !yield(h.add(message)) {
				return
			}
		}
	}
}

// isIdle reports whether there is nothing to do now, or NATS is busy with itself.
func isIdle(err error) bool {
	return errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoHeartbeat) || errors.Is(err, jetstream.ErrConsumerLeadershipChanged)
}

// hold keeps what is in hand from going to another worker, however long fetching and recording take.
func (h *hand) hold(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.extend()
		case <-ctx.Done():
			return
		}
	}
}

func (h *hand) extend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, messages := range h.messages {
		for _, message := range messages {
			_ = message.InProgress() // when that fails, another worker audits the SID, too
		}
	}
}

func (h *hand) add(message jetstream.Msg) (sid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sid = string(message.Data())
	h.messages[sid] = append(h.messages[sid], message)
	return sid
}

func (h *hand) message(sid string) jetstream.Msg {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.messages[sid][0]
}

func (h *hand) drop(sid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.messages[sid] = h.messages[sid][1:]; len(h.messages[sid]) == 0 {
		delete(h.messages, sid)
	}
}
