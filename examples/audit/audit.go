// Package audit is a nightly audit of Customer Profiles, spread over workers on several machines by NATS JetStream.
//
// SIDs wait in a work-queue stream. A worker pulls them, fetches the profiles as fast as its account permits, records each
// result, and only then acknowledges it. What a worker that dies had not acknowledged is delivered to another one, so that
// every SID is audited at least once: recording must not mind a second time.
package audit

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed07fc1495/trusthub"
)

// Queue is the work queue of an audit.
type Queue struct {
	js       jetstream.JetStream
	consumer jetstream.Consumer
}

const (
	stream  = "AUDIT"
	subject = "audit.sids" // one per account when there are several: their limits are apart
)

// Config has what differs from place to place.
type Config struct {
	Replicas int           // of the stream: 3 in a cluster, 1 on a single server
	AckWait  time.Duration // after which a SID goes to another worker: longer than a fetch with all its retries
	Pending  int           // the most SIDs that all workers together may have in hand
}

// Open creates the queue, or finds it.
func Open(ctx context.Context, js jetstream.JetStream, config Config) (*Queue, error) {
	s, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:      stream,
		Subjects:  []string{subject},
		Retention: jetstream.WorkQueuePolicy, // what is acknowledged is gone
		Replicas:  config.Replicas,
	})
	if err != nil {
		return nil, err
	}
	consumer, err := s.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       "auditors",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       config.AckWait,
		MaxAckPending: config.Pending,
	})
	return &Queue{js, consumer}, err
}

// Add queues SIDs for the audit with this name, such as its date. One that is added twice to the same audit, within the two
// minutes that NATS remembers, is queued once.
func (q *Queue) Add(ctx context.Context, audit string, sids iter.Seq[string]) error {
	for sid := range sids {
		if _, err := q.js.Publish(ctx, subject, []byte(sid), jetstream.WithMsgID(audit+"/"+sid)); err != nil {
			return err
		}
	}
	return nil
}

// Work audits SIDs until ctx ends, and returns its error. A result that record refuses, and one that may be better another
// time, go back to the queue.
func (q *Queue) Work(ctx context.Context, client *trusthub.Client, record func(trusthub.FetchResult) error) error {
	messages, err := q.consumer.Messages(jetstream.PullMaxMessages(32)) // little, so that slow workers leave more to others
	if err != nil {
		return err
	}
	defer messages.Stop()
	hand := hand{messages: make(map[string][]jetstream.Msg)}
	for result := range client.FetchCustomerProfiles(ctx, hand.pull(ctx, messages)) {
		message := hand.take(result.SID)
		switch {
		case ctx.Err() != nil: // not audited; AckWait brings it back
		case isPassing(result.Err) || record(result) != nil:
			err = message.NakWithDelay(time.Minute)
		default:
			err = message.Ack()
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// isPassing reports whether a failed fetch may succeed later. A malformed SID, a refusal and an answer that is no profile are
// findings of the audit.
func isPassing(err error) bool {
	var apiErr *trusthub.Error
	var decodeErr *trusthub.DecodeError
	switch {
	case err == nil, errors.Is(err, trusthub.ErrInvalidSID), errors.As(err, &decodeErr):
		return false
	case errors.As(err, &apiErr):
		return apiErr.StatusCode == 429 || apiErr.StatusCode >= 500
	}
	return true
}

// hand is what a worker has pulled and not yet acknowledged, by SID.
type hand struct {
	mu       sync.Mutex
	messages map[string][]jetstream.Msg
}

func (h *hand) pull(ctx context.Context, messages jetstream.MessagesContext) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			message, err := messages.Next(jetstream.NextContext(ctx))
			if err != nil { // ctx ended, or the connection is closed for good
				return
			}
			sid := string(message.Data())
			h.mu.Lock()
			h.messages[sid] = append(h.messages[sid], message)
			h.mu.Unlock()
			if !yield(sid) {
				return
			}
		}
	}
}

func (h *hand) take(sid string) jetstream.Msg {
	h.mu.Lock()
	defer h.mu.Unlock()
	message := h.messages[sid][0]
	if h.messages[sid] = h.messages[sid][1:]; len(h.messages[sid]) == 0 {
		delete(h.messages, sid)
	}
	return message
}
