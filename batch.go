package trusthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/internal/fanout"
	"github.com/seed07fc1495/trusthub/internal/outage"
)

// FetchResult is the outcome for one SID of [Client.FetchCustomerProfiles]: exactly one of Profile
// and Err is set.
type FetchResult struct {
	SID      string
	Index    int // the place of the SID in the input, from 0; -1: the result is about the whole batch
	Profile  *CustomerProfile
	Err      error
	Response Response // the HTTP response, as by [WithResponseInto]
	// SentAt is when the last request for the SID was sent; zero if none was. Of two profiles with the
	// same SID, the one with the later SentAt is the newer one. Do not compare date_updated: it has
	// whole seconds. Results can come in any order.
	SentAt time.Time
}

// FetchCustomerProfiles fetches many profiles concurrently and yields each result as it completes,
// in any order. Each SID that is pulled from sids yields one result, except one that is pulled
// while the batch ends. A SID that comes twice is fetched twice. When an option is invalid or sids
// is nil, nothing is pulled, and one result has Index -1 and the error, an *[OptionError] for an
// option.
//
// Concurrency: at most 16 requests are in flight, or as many as [WithMaxConcurrency] permits, see
// [WithBatchConcurrency]. Below that bound a batch adapts to the limit of the account. SIDs are
// pulled as they are needed, about two for each request that may be in flight. Up to 256 SIDs that
// wait for another attempt come on top. So memory is constant for any number of SIDs. A loop body
// that is slow holds up new requests.
//
// Errors of one SID: a SID that fails while others succeed yields its own error after
// [RetryPolicy].MaxAttempts. A 429 costs time and no attempt: the batch waits out any pause. A SID
// that gets 429 while others succeed yields its error after its 50th 429.
//
// Errors of all: Twilio's 401, an invalid certificate and an [Auth] that fails for good end the
// batch, since they would fail every SID. Requests in flight still yield their results, and SIDs
// that were pulled and not sent yield the error that ended the batch. With an Auth other than
// [BasicAuth], a request that is answered 401 is signed and sent once more before that. If the
// error that ended the batch belongs to no SID, for example to a probe, one more result with Index
// -1 has it.
//
// Outages: a failure of a SID counts only when a request that was sent later has succeeded. Until
// then the SID waits. When 8 SIDs in a row fail for the first time and nothing succeeds, the API
// counts as down: one request at a time probes, at intervals that grow to MaxWait. Every second
// probe repeats one of the last three SIDs that Twilio has answered. Hooks and logs show that
// request, the loop does not. When a probe succeeds, the batch continues, and the failures of the
// outage do not count. After the time of [WithMaxOutage] without a success the batch ends: SIDs in
// progress yield errors that are [ErrOutage], and the others are not pulled.
//
// Before the first success of a batch, bad SIDs and an outage look the same. If fewer than 8 SIDs
// were pulled and all fail, they yield their own errors, which are not ErrOutage. If sids has
// ended, that happens after a minute, or after a shorter WithMaxOutage. Otherwise it happens after
// WithMaxOutage. With an unknown host, or a gateway that answers 4xx, a batch ends after a minute.
// A resumed run with only SIDs that failed before also looks like an outage: fetch a good SID
// first.
//
// The end of ctx ends the batch: SIDs in progress yield its error, and the loop ends without
// waiting for sids. Leaving the loop ends the requests in flight. To know whether the batch was
// complete, count the results. ExampleClient_FetchCustomerProfiles_resume shows what to record so
// that another run can continue.
//
// sids runs on another goroutine, concurrently with the loop body. Do not share variables between
// the two without a lock. Read what sids writes only after a loop that has yielded all results.
// [FetchResult].Index finds the data of a SID in a slice that was complete before. After break,
// sids is not waited for: its next yield returns false. A panic in sids or in middleware is raised
// again where the loop runs, after the other results; after break it is dropped.
func (c *Client) FetchCustomerProfiles(ctx context.Context, sids iter.Seq[string], opts ...BatchOption) iter.Seq[FetchResult] {
	return func(yield func(FetchResult) bool) {
		cfg, err := c.pipeline.newBatchConfig(opts)
		if err == nil && sids == nil {
			err = errors.New("trusthub: FetchCustomerProfiles: sids is nil")
		}
		if err != nil {
			yield(FetchResult{Index: -1, Err: err})
			return
		}
		b := &batch{client: c, isUrgent: cfg.isUrgent}
		b.stream = fanout.New(b.fetch)
		b.guard = b.newGuard(cfg)
		defer b.guard.Close()
		c.pipeline.batches.add(b.guard)
		defer c.pipeline.batches.remove(b.guard)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // also of the canary
		b.ctx = ctx
		if b.stream.Run(ctx, b.guard, sids, yield) {
			cancel()
			b.canaries.Wait()
			if err := b.guard.Unreported(); err != nil {
				yield(FetchResult{Index: -1, Err: err})
			}
		}
	}
}

// batch is the state of one call of FetchCustomerProfiles.
type batch struct {
	client   *Client
	ctx      context.Context
	stream   *fanout.Stream[string, FetchResult]
	guard    *outage.Guard
	isUrgent func(sid string) bool // it is sent before the others; nil: none is
	canaries sync.WaitGroup
}

func (b *batch) fetch(ctx context.Context, index int, sid string, result *FetchResult) {
	call := b.guard.Begin(sid, b.isUrgent != nil && b.isUrgent(sid))
	*result = FetchResult{SID: sid, Index: index, Err: errGoexit}
	defer func() { result.Err = markOutage(result.Err, call.End()) }()
	result.Profile, result.Err = b.client.fetchCustomerProfile(ctx, call, sid, callOptions{&result.Response})
	result.SentAt = result.Response.sentAt
}

// ask fetches a SID once more as a probe.
func (b *batch) ask(canary *outage.Call, sid string) {
	b.canaries.Go(func() {
		defer func() {
			if value := recover(); value != nil {
				b.stream.Panic(value)
				b.guard.Abort(errPanic) // nothing else can end the outage now
			}
		}()
		defer canary.End()
		_, _ = b.client.fetchCustomerProfile(b.ctx, canary, sid, nil)
	})
}

var errGoexit = errors.New("trusthub: the transport ended its goroutine")

func (b *batch) newGuard(cfg batchConfig) *outage.Guard {
	p := b.client.pipeline
	_, static := p.cfg.auth.(basicAuth)
	window := math.Inf(1) // the client's bound is the batch's
	if cfg.concurrency != p.cfg.maxConcurrency {
		window = float64(cfg.concurrency)
	}
	return outage.New(outage.Config{
		Limiter: p.limiter, Scope: p.limiter.NewBatch(window), Retry: p.cfg.retry, MaxOutage: cfg.maxOutage,
		// so that calls that wait to try again leave no slot unused, and one place is for the SID whose
		// result is in the loop body
		Places:    cmp.Or(cfg.places, max(2*cfg.concurrency, leastPlaces)+1),
		CanReauth: !static, Stop: b.stream.Stop, Ask: b.ask,
		NewError: newEndOfBatch, Canaries: p.health.recent(),
		OnChange: p.logOutage,
	})
}

func (p *pipeline) logOutage(begun bool, cause error, until time.Time) {
	if p.cfg.logger == nil {
		return
	}
	level, message := slog.LevelInfo, "trusthub: the outage is over"
	if begun {
		level, message = slog.LevelWarn, "trusthub: an outage pauses the batch"
	}
	attrs := []slog.Attr{slog.String("reason", string(reasonOf(cause)))}
	if apiErr, ok := errors.AsType[*Error](cause); ok {
		attrs = append(attrs, slog.Int("status", apiErr.StatusCode))
	}
	if !until.IsZero() {
		attrs = append(attrs, slog.Time("until", until))
	}
	p.cfg.logger.LogAttrs(context.Background(), level, message, attrs...)
}

// BatchOption configures one [Client.FetchCustomerProfiles].
type BatchOption func(*batchConfig) error

// WithBatchConcurrency bounds the requests of the batch in flight, from 1 to 32768. The default is
// the bound of [WithMaxConcurrency], or 16 without that option. WithMaxConcurrency also bounds the
// sum over all batches of the client.
func WithBatchConcurrency(n int) BatchOption {
	return func(c *batchConfig) error {
		if n < 1 || n > maxBatchConcurrency {
			return &OptionError{"WithBatchConcurrency", fmt.Errorf("%d is not from 1 to %d", n, maxBatchConcurrency)}
		}
		c.concurrency = n
		return nil
	}
}

// WithMaxOutage sets how long a batch continues without a success. Then it ends with [ErrOutage].
// The default is 15 minutes. With 0 the batch does not wait for an outage to end: it ends with the
// first probe that fails. The time counts while requests are made, not while the loop body is busy.
func WithMaxOutage(d time.Duration) BatchOption {
	return func(c *batchConfig) error {
		if d < 0 {
			return &OptionError{"WithMaxOutage", fmt.Errorf("%v is negative", d)}
		}
		c.maxOutage = min(d, outage.Forever-1) // Forever is a Tracker's
		return nil
	}
}

const (
	defaultBatchConcurrency = 16
	maxBatchConcurrency     = 1 << 15
	leastPlaces             = 8 // SIDs in progress
	defaultMaxOutage        = 15 * time.Minute
)

type batchConfig struct {
	concurrency int
	maxOutage   time.Duration
	// for SIDs that were pulled; 0: more than there are requests, so that no slot is unused
	places   int
	isUrgent func(sid string) bool
}

func (p *pipeline) newBatchConfig(opts []BatchOption) (batchConfig, error) {
	cfg := batchConfig{concurrency: defaultBatchConcurrency, maxOutage: defaultMaxOutage}
	if p.cfg.maxConcurrency > 0 {
		cfg.concurrency = min(p.cfg.maxConcurrency, maxBatchConcurrency)
	}
	for _, opt := range opts {
		if opt == nil {
			return cfg, &OptionError{"BatchOption", errors.New("it is nil")}
		}
		if err := opt(&cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}
