package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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

const (
	ackWait    = 2 * time.Second // a third of which is time enough to say that work goes on
	maxDeliver = 3
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
	queue := openQueue(t, ctx, connect(t, natsServer), 200)
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
	_ = openQueue(t, ctx, doomed, 200).Work(doomedCtx, newClient(t, fake), record("doomed", func(all int) {
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
		own := openQueue(t, ctx, connect(t, natsServer), 200)
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

func TestRefusedCredentialsLeaveTheQueueAlone(t *testing.T) {
	for status, want := range map[int]error{401: trusthub.ErrUnauthorized, 403: trusthub.ErrForbidden} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		connection := connect(t, startNATS(t))
		queue := openQueue(t, ctx, connection, 200)
		add(t, queue, 100)
		fake := trusthubtest.NewHandler()
		fake.Fail(slices.Repeat([]trusthubtest.Fault{{Status: status}}, 100)...)
		err := queue.Work(ctx, newClient(t, fake), func(result trusthub.FetchResult) error {
			t.Errorf("%d: recorded %+v", status, result)
			return nil
		})
		if !errors.Is(err, want) {
			t.Errorf("%d: got %v", status, err)
		}
		if left, dead := count(t, connection, "AUDIT"), count(t, connection, "AUDIT_DEAD"); left != 100 || dead != 0 {
			t.Errorf("%d: %d left in the queue, %d dead", status, left, dead)
		}
		cancel()
	}
}

func TestPassingFailuresGoBack(t *testing.T) {
	for name, fault := range map[string]trusthubtest.Fault{
		"500": {Status: 500}, "503": {Status: 503}, "429": {Status: 429}, "torn body": {Truncate: true}, "no answer": {Reset: true},
	} {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		connection := connect(t, startNATS(t))
		queue := openQueue(t, ctx, connection, 200)
		if err := queue.Add(ctx, "audit", slices.Values([]string{trusthubtest.ExampleSID})); err != nil {
			t.Fatal(err)
		}
		fake := trusthubtest.NewHandler()
		fake.Fail(fault)
		var recorded []trusthub.FetchResult
		err := queue.Work(ctx, newClient(t, fake), func(result trusthub.FetchResult) error {
			recorded = append(recorded, result)
			stop()
			return nil
		})
		if !errors.Is(err, context.Canceled) || len(recorded) != 1 || recorded[0].Profile == nil || len(fake.Requests()) < 2 {
			t.Errorf("%s: got %v after %d requests, recorded %+v", name, err, len(fake.Requests()), recorded)
		}
	}
}

// What fails whenever it is delivered, because it cannot be recorded or not be fetched, is buried, and holds nothing else up.
func TestWhatAlwaysFailsIsBuried(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	connection := connect(t, startNATS(t))
	queue := openQueue(t, ctx, connection, 200)
	const total, pending = 300, 200 // so that dead ones would fill the hands of all workers
	sids := add(t, queue, total)
	fake, down := trusthubtest.NewHandler(), trusthubtest.NewHandler()
	broken := roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, sids[0]) {
			down.Fail(trusthubtest.Fault{Status: 503})
			return down.RoundTrip(req)
		}
		return fake.RoundTrip(req)
	})
	recorded, refused := 0, 0
	var worker sync.WaitGroup
	worker.Go(func() {
		_ = queue.Work(ctx, newClient(t, broken), func(result trusthub.FetchResult) error {
			if slices.Index(sids, result.SID) < pending {
				refused++
				return errors.New("too long for its column")
			}
			recorded++
			return nil
		})
	})
	for ctx.Err() == nil && count(t, connection, "AUDIT") > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	worker.Wait()
	if recorded != total-pending || refused != (pending-1)*maxDeliver {
		t.Errorf("%d recorded, and %d refused", recorded, refused)
	}
	reasons := map[string]int{}
	for sid, reason := range letters(t, connection) {
		if sid == sids[0] && !strings.Contains(reason, "503") {
			t.Errorf("%s failed by %q", sid, reason)
		}
		reasons[reason]++
	}
	if reasons["too long for its column"] != pending-1 || len(reasons) != 2 {
		t.Errorf("got %v", reasons)
	}
}

// Fetching and recording may both take longer than the AckWait.
func TestSlowWorkIsDoneOnce(t *testing.T) {
	const slow = ackWait * 3 / 2
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	natsServer := startNATS(t)
	add(t, openQueue(t, ctx, connect(t, natsServer), 200), 2)
	fake := trusthubtest.NewHandler()
	fake.Fail(trusthubtest.Fault{Delay: slow})
	var mu sync.Mutex
	recorded := map[string]int{}
	var workers sync.WaitGroup
	for range 2 {
		queue := openQueue(t, ctx, connect(t, natsServer), 200)
		workers.Go(func() {
			_ = queue.Work(ctx, newClient(t, fake), func(result trusthub.FetchResult) error {
				time.Sleep(slow)
				mu.Lock()
				defer mu.Unlock()
				if recorded[result.SID]++; len(recorded) == 2 {
					stop()
				}
				return nil
			})
		})
	}
	workers.Wait()
	if len(recorded) != 2 || len(fake.Requests()) != 2 {
		t.Errorf("%d requests, recorded %v", len(fake.Requests()), recorded)
	}
}

func TestWorkEndsWithItsQueue(t *testing.T) {
	for name, end := range map[string]func(context.Context, *nats.Conn, jetstream.JetStream) error{
		"connection closed": func(_ context.Context, connection *nats.Conn, _ jetstream.JetStream) error {
			connection.Close()
			return nil
		},
		"consumer deleted": func(ctx context.Context, _ *nats.Conn, js jetstream.JetStream) error {
			return js.DeleteConsumer(ctx, "AUDIT", "auditors")
		},
		"stream deleted": func(ctx context.Context, _ *nats.Conn, js jetstream.JetStream) error {
			return js.DeleteStream(ctx, "AUDIT")
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		connection := connect(t, startNATS(t))
		queue := openQueue(t, ctx, connection, 200)
		add(t, queue, 1)
		js, err := jetstream.New(connection)
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"while it waits", "before it begins"} {
			err = queue.Work(ctx, newClient(t, trusthubtest.NewHandler()), func(trusthub.FetchResult) error { return end(ctx, connection, js) })
			if err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "gave up") {
				t.Errorf("%s %s: got %v", name, when, err)
			}
		}
		cancel()
	}
}

// Four workers share an account that serves 10 requests at a time, each of which travels 40 ms and is served for 100 ms. The
// queue bounds what all workers together have in hand, so that it can spare the account what the workers would have to find out.
//
//	go test -run '^$' -bench FourWorkers -benchtime 3000x ./audit
func BenchmarkFourWorkers(b *testing.B) {
	const slots, travel, service = 10, 40 * time.Millisecond, 100 * time.Millisecond
	for name, pending := range map[string]int{"pending=10": slots, "pending=200": 200} {
		b.Run(name, func(b *testing.B) {
			ctx, finish := context.WithCancel(b.Context())
			defer finish()
			natsServer := startNATS(b)
			queue := openQueue(b, ctx, connect(b, natsServer), pending)
			fake := trusthubtest.NewHandler()
			fake.LimitConcurrency(slots)
			fake.Delay(service)
			distant := roundTripper(func(req *http.Request) (*http.Response, error) {
				time.Sleep(travel / 2)
				defer time.Sleep(travel / 2)
				return fake.RoundTrip(req)
			})
			add(b, queue, b.N)
			var mu sync.Mutex
			recorded := 0
			var workers sync.WaitGroup
			b.ResetTimer()
			for range 4 {
				own := openQueue(b, ctx, connect(b, natsServer), pending)
				workers.Go(func() {
					_ = own.Work(ctx, newClient(b, distant), func(trusthub.FetchResult) error {
						mu.Lock()
						defer mu.Unlock()
						if recorded++; recorded == b.N {
							finish()
						}
						return nil
					})
				})
			}
			workers.Wait()
			b.ReportMetric(float64(fake.Refused())/float64(b.N), "refusals/profile")
			b.ReportMetric(float64(b.N)*service.Seconds()/slots/b.Elapsed().Seconds(), "slots-used")
		})
	}
}

func startNATS(t testing.TB) *server.Server {
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

func connect(t testing.TB, s *server.Server) *nats.Conn {
	t.Helper()
	connection, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connection.Close)
	return connection
}

func openQueue(t testing.TB, ctx context.Context, connection *nats.Conn, pending int) *audit.Queue { //nolint:revive // t goes first in tests
	t.Helper()
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	queue, err := audit.Open(ctx, js, audit.Config{
		Replicas: 1, AckWait: ackWait, Pending: pending, RetryWait: 10 * time.Millisecond, MaxDeliver: maxDeliver,
	})
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

// add queues SIDs that the fake does not know.
func add(t testing.TB, queue *audit.Queue, n int) (sids []string) {
	t.Helper()
	for i := range n {
		sids = append(sids, fmt.Sprintf("BU%032x", i))
	}
	if err := queue.Add(t.Context(), "audit", slices.Values(sids)); err != nil {
		t.Fatal(err)
	}
	return sids
}

func count(t *testing.T, connection *nats.Conn, name string) uint64 {
	t.Helper()
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), name) // with its state as it is now
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// letters returns the dead letters: why each SID failed.
func letters(t *testing.T, connection *nats.Conn) map[string]string {
	t.Helper()
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "AUDIT_DEAD")
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for i := range stream.CachedInfo().State.Msgs {
		letter, err := stream.GetMsg(t.Context(), i+1)
		if err != nil {
			t.Fatal(err)
		}
		reasons[string(letter.Data)] = letter.Header.Get("Failure")
	}
	return reasons
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func newClient(t testing.TB, fake http.RoundTripper) *trusthub.Client {
	t.Helper()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithHTTPClient(&http.Client{Transport: fake}), trusthub.WithMaxConcurrency(32),
		trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}
