// Package audit is a nightly audit of Customer Profiles, spread over workers on several machines by NATS JetStream.
//
// SIDs wait in a work-queue stream. A worker pulls them, fetches the profiles as fast as its account permits, records each
// result, and only then acknowledges it. What a worker that dies had not acknowledged is delivered to another one, so that
// every SID is audited at least once: recording must not mind a second time. What fails on and on ends in a stream of dead
// letters, with the reason.
package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed07fc1495/trusthub"
)

// Queue is the work queue of an audit.
type Queue struct {
	js       jetstream.JetStream
	consumer jetstream.Consumer
	config   Config
}

const (
	stream      = "AUDIT"
	subject     = "audit.sids" // one per account when there are several: their limits are apart
	deadStream  = "AUDIT_DEAD"
	deadSubject = "audit.dead"
)

// Config has what differs from place to place.
type Config struct {
	Replicas   int           // of the streams: 3 in a cluster, 1 on a single server
	AckWait    time.Duration // after which what a worker had in hand when it died goes to another one
	Pending    int           // the most SIDs that all workers together may have in hand
	RetryWait  time.Duration // after which a SID that failed is delivered again; twice as long each time, up to 64 times
	MaxDeliver uint64        // deliveries after which a SID that still fails is a dead letter; 10, from a minute on, outlast 4 hours
}

// Open creates the queue, or finds it.
func Open(ctx context.Context, js jetstream.JetStream, config Config) (*Queue, error) {
	if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: deadStream, Subjects: []string{deadSubject}, Replicas: config.Replicas}); err != nil {
		return nil, err
	}
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
		MaxDeliver:    -1, // a worker counts: what NATS gives up on stays in the stream, and nobody hears of it
	})
	return &Queue{js, consumer, config}, err
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

// Work audits SIDs until ctx ends, and returns why it did. What record refuses goes back to the queue, and so does a SID whose
// fetch failed in a way that says nothing about its profile. When the credentials are refused, or the queue or the API is out
// of reach for long, Work returns why, and what it has in hand goes to other workers.
func (q *Queue) Work(ctx context.Context, client *trusthub.Client, record func(trusthub.FetchResult) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	hand := hand{messages: make(map[string][]jetstream.Msg)}
	go hand.hold(ctx, q.config.AckWait/3)
	var failure error
	for result := range client.FetchCustomerProfiles(ctx, hand.pull(ctx, end, q.consumer)) {
		failure = result.Err
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(failure, trusthub.ErrUnauthorized), errors.Is(failure, trusthub.ErrForbidden):
			return failure // as all others would be
		case isFinding(failure):
			failure = record(result)
		}
		if err := q.settle(ctx, hand.message(result.SID), failure); err != nil {
			return err
		}
		hand.drop(result.SID)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("audit: the client gave up: %w", failure)
}

// isFinding reports whether the outcome of a fetch tells something about the profile: the profile itself, that its SID is
// malformed or refused, or that the answer is no profile.
func isFinding(err error) bool {
	_, refused := errors.AsType[*trusthub.Error](err)
	_, unreadable := errors.AsType[*trusthub.DecodeError](err)
	return err == nil || errors.Is(err, trusthub.ErrInvalidSID) || (refused || unreadable) && !trusthub.IsRetryable(err)
}

// settle acknowledges what is done, has what failed delivered again, and buries what failed too often.
func (q *Queue) settle(ctx context.Context, message jetstream.Msg, failure error) error {
	if failure == nil {
		return message.Ack()
	}
	about, err := message.Metadata()
	if err != nil {
		return err
	}
	if about.NumDelivered < q.config.MaxDeliver {
		return message.NakWithDelay(q.config.RetryWait << min(about.NumDelivered-1, 6))
	}
	letter := &nats.Msg{Subject: deadSubject, Data: message.Data(), Header: nats.Header{"Failure": {failure.Error()}}}
	if _, err := q.js.PublishMsg(ctx, letter, jetstream.WithMsgID(strconv.FormatUint(about.Sequence.Stream, 10))); err != nil {
		return err
	}
	return message.Ack()
}
