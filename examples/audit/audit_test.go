package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/examples/audit"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// A worker is killed in the middle, and every SID is audited all the same.
func TestKilledWorkerLosesNothing(t *testing.T) {
	const total = 2000
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	natsServer := startNATS(t)
	fake := trusthubtest.NewHandler()
	var sids []string
	for i := range total {
		sid := fmt.Sprintf("BU%032x", i)
		sids = append(sids, sid)
		if i%10 > 0 { // the others are not found, which is a finding, too
			fake.Put(trusthub.CustomerProfile{SID: sid, Status: trusthub.StatusTwilioApproved})
		}
	}
	queue := openQueue(t, ctx, connect(t, natsServer))
	if err := queue.Add(ctx, "2026-11-23", slices.Values(sids)); err != nil {
		t.Fatal(err)
	}
	if err := queue.Add(ctx, "2026-11-23", slices.Values(sids[:10])); err != nil { // the same audit once more
		t.Fatal(err)
	}

	var mu sync.Mutex
	audited := make(map[string]int)
	record := func(who string, then func(all int)) func(trusthub.FetchResult) error {
		return func(result trusthub.FetchResult) error {
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(result.Err, trusthub.ErrNotFound) == (result.Profile != nil) {
				t.Errorf("%s: got %+v", who, result)
			}
			audited[result.SID]++
			then(len(audited))
			return nil
		}
	}

	// The first worker works alone, and dies with SIDs in hand: its connection is gone before it can say anything.
	doomed := connect(t, natsServer)
	doomedCtx, kill := context.WithCancel(ctx)
	_ = openQueue(t, ctx, doomed).Work(doomedCtx, newClient(t, fake), record("doomed", func(all int) {
		if all == total/4 {
			doomed.Close()
			kill()
		}
	}))
	mu.Lock()
	if n := len(audited); n < total/4 || n >= total {
		t.Fatalf("the first worker audited %d", n)
	}
	mu.Unlock()

	done, finish := context.WithCancel(ctx)
	var workers sync.WaitGroup
	for i := range 2 {
		own := openQueue(t, ctx, connect(t, natsServer))
		workers.Go(func() {
			err := own.Work(done, newClient(t, fake), record(fmt.Sprint("worker ", i), func(all int) {
				if all == total {
					finish()
				}
			}))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("worker %d: %v", i, err)
			}
		})
	}
	workers.Wait()
	finish()
	if len(audited) != total {
		t.Errorf("%d of %d audited", len(audited), total)
	}
}

// What may pass goes back to the queue, and so does what could not be recorded.
func TestFailuresGoBack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	natsServer := startNATS(t)
	fake := trusthubtest.NewHandler()
	fake.Fail(trusthubtest.Fault{Status: 503})
	connection := connect(t, natsServer)
	queue := openQueue(t, ctx, connection)
	if err := queue.Add(ctx, "a", slices.Values([]string{trusthubtest.ExampleSID})); err != nil {
		t.Fatal(err)
	}
	working, stop := context.WithCancel(ctx)
	var worker sync.WaitGroup
	worker.Go(func() {
		_ = queue.Work(working, newClient(t, fake), func(trusthub.FetchResult) error { t.Error("recorded"); return nil })
	})
	for len(fake.Requests()) == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	stop()
	worker.Wait()
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, "AUDIT")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx)
	if err != nil || info.State.Msgs != 1 || len(fake.Requests()) != 1 {
		t.Errorf("%d left in the queue after %d requests, %v", info.State.Msgs, len(fake.Requests()), err)
	}
}

func startNATS(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{JetStream: true, StoreDir: t.TempDir(), DontListen: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS did not start")
	}
	return s
}

func connect(t *testing.T, s *server.Server) *nats.Conn {
	t.Helper()
	connection, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connection.Close)
	return connection
}

func openQueue(t *testing.T, ctx context.Context, connection *nats.Conn) *audit.Queue { //nolint:revive // t goes first in tests
	t.Helper()
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	queue, err := audit.Open(ctx, js, audit.Config{Replicas: 1, AckWait: time.Second, Pending: 200})
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

func newClient(t *testing.T, fake *trusthubtest.Handler) *trusthub.Client {
	t.Helper()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithHTTPClient(&http.Client{Transport: fake}), trusthub.WithMaxConcurrency(32),
		trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}
