#!/usr/bin/env bash
# nats-server v2.12.2, nats.go v1.47.0: Nak ignores the BackOff of a JetStream consumer.
#
# Guess: BackOff spaces all redeliveries of a message, those after a Nak included.
# Found: BackOff is for acknowledgements that do not come. After a Nak the message comes again at
# once, so that a worker that returns a SID in an outage uses up MaxDeliver within milliseconds. It
# has to use NakWithDelay. Afterwards the message stays in the work queue and is never delivered
# again, and the consumer reports nothing as pending.
# Source: processNak in server/consumer.go of that version.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	s := must(server.NewServer(&server.Options{JetStream: true, StoreDir: "store", DontListen: true, NoLog: true, NoSigs: true}))
	s.Start()
	defer s.Shutdown()
	js := must(jetstream.New(must(nats.Connect("", nats.InProcessServer(s)))))
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "SIDS", Subjects: []string{"sids"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.MemoryStorage,
	}))
	consumer := must(stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "worker", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 4,
		BackOff: []time.Duration{3 * time.Second, 3 * time.Second, 3 * time.Second},
	}))
	must(js.Publish(ctx, "sids", []byte("BU1")))
	start := time.Now()
	deliveries := 0
	for range 4 {
		message := must(consumer.Next())
		if err := message.Nak(); err != nil {
			panic(err)
		}
		deliveries++
	}
	atOnce := time.Since(start) < time.Second
	_, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
	left, state := must(stream.Info(ctx)).State.Msgs, must(consumer.Info(ctx))
	fmt.Printf("%d deliveries at once: %v; then none: %v; %d in the stream, %d pending\n", deliveries, atOnce, err != nil, left, state.NumPending)
}
GO
go mod init finding > /dev/null 2>&1
go get github.com/nats-io/nats-server/v2@v2.12.2 github.com/nats-io/nats.go@v1.47.0 > /dev/null 2>&1
got=$(go run .)
echo "$got"
[ "$got" = "4 deliveries at once: true; then none: true; 1 in the stream, 0 pending" ]
