package trusthub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/attempt"
	"github.com/seed07fc1495/trusthub/internal/limiter"
	"github.com/seed07fc1495/trusthub/internal/outage"
	"github.com/seed07fc1495/trusthub/internal/retry"
	"github.com/seed07fc1495/trusthub/internal/sid"
	"github.com/seed07fc1495/trusthub/internal/text"
	"github.com/seed07fc1495/trusthub/internal/transport"
)

// pipeline is the way of a request to the network. All calls of a client share it:
//
//	retries → limiter → authentication → middleware → transport → bounded read
//
// An attempt starts at the limiter, so a truncated body is retried like a refused connection.
type pipeline struct {
	cfg   *config
	next  http.RoundTripper
	own   *http.Transport // the transport below next; nil: the caller's
	heeds bool            // next stops reading the body when the context ends
	// the path of the base URL, which the generated request builder needs
	server   string
	profiles string        // the path before a SID
	template *http.Request // from the generated builder, without a SID
	header   http.Header   // of every request
	timeout  error         // the error of an attempt that takes too long
	limiter  *limiter.Limiter
	quota    *retry.Quota
	batches  *batches // the running batches
	health   *health
}

// route is the path of the operation in the OpenAPI document.
const route = "/v1/CustomerProfiles/{Sid}"

func newPipeline(cfg *config) (*pipeline, error) {
	next, own := cfg.transport, (*http.Transport)(nil)
	if next == nil {
		next, own = transport.Default(cfg.timeout)
	}
	for _, middleware := range slices.Backward(cfg.middleware) { // the first one is the outermost
		if next = middleware(next); next == nil {
			return nil, &OptionError{"WithMiddleware", errors.New("a middleware returned nil")}
		}
	}
	base := cfg.baseURL.EscapedPath()
	p := &pipeline{
		cfg: cfg, next: next, own: own, heeds: transport.HeedsContext(next), server: base,
		profiles: base + strings.TrimPrefix(strings.TrimSuffix(route, "{Sid}"), "/"),
		header:   http.Header{"Accept": {"application/json"}, "User-Agent": {cfg.userAgent}},
		timeout:  timeoutError(cfg.timeout),
		quota:    retry.NewQuota(),
		limiter:  limiter.New(math.Inf(1), cfg.retry.MaxWait),
		batches:  new(batches),
		health:   new(health),
	}
	if cfg.maxConcurrency > 0 {
		p.limiter = limiter.New(float64(cfg.maxConcurrency), cfg.retry.MaxWait)
	}
	var err error
	p.template, err = gen.NewFetchCustomerProfileRequest(p.server, "")
	return p, err
}

// request returns the request for a valid SID, which needs no escaping. A copy of the template
// needs a third of the memory that the generated builder allocates.
func (p *pipeline) request(sid string) *http.Request {
	req := copyOf(p.template)
	req.URL.Path += sid
	if req.URL.RawPath != "" {
		req.URL.RawPath += sid
	}
	return req
}

// copyOf returns a copy with its own URL, in one allocation.
func copyOf(req *http.Request) *http.Request {
	both := &struct {
		request http.Request
		url     url.URL
	}{*req, *req.URL}
	both.request.URL = &both.url
	return &both.request
}

// withTimeout returns a pipeline with a timeout of at most d that shares limiter and retry quota
// with p. It has its own connections, because a transport derives its health checks from the
// timeout.
func (p *pipeline) withTimeout(d time.Duration) (*pipeline, error) {
	if p.cfg.timeout <= d {
		return p, nil
	}
	cfg := *p.cfg
	cfg.timeout = d
	short, err := newPipeline(&cfg)
	if err != nil {
		return nil, err
	}
	short.limiter, short.quota, short.batches, short.health = p.limiter, p.quota, p.batches, p.health
	return short, nil
}

// sign returns a signed copy of req, so that no caller sees the credentials.
func (p *pipeline) sign(ctx context.Context, req *http.Request) (*http.Request, error) {
	signed := copyOf(req.WithContext(ctx))
	signed.Header = p.header.Clone()
	maps.Copy(signed.Header, req.Header)
	err := p.cfg.auth.Authorize(signed)
	switch {
	case err != nil && errors.Is(context.Cause(ctx), p.timeout):
		return nil, &unsentError{fmt.Errorf("authentication: %w", p.timeout)}
	case err != nil:
		return nil, &unsentError{fmt.Errorf("authentication: %w", fromOutside(ctx, err))}
	}
	return signed, nil
}

// exchange sends a signed copy of req, and reads the response.
func (p *pipeline) exchange(signed, req *http.Request) (*answer, error) {
	ctx := signed.Context()
	response, err := p.next.RoundTrip(signed) //nolint:bodyclose // ReadBody closes it
	switch {
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), p.timeout):
		return nil, p.timeout // in place of the transport's own error
	case err != nil:
		return nil, fromOutside(ctx, err)
	case response == nil || response.Body == nil:
		return nil, errors.New("the transport returned neither a complete response nor an error")
	}
	response.Request = req
	a := &answer{Response: response}
	a.body, a.bodyErr = transport.ReadBody(ctx, response, p.heeds, p.cfg.maxResponseBytes, ErrResponseTooLarge)
	if a.bodyErr != nil && !errors.Is(a.bodyErr, p.timeout) {
		a.bodyErr = fromOutside(ctx, a.bodyErr)
	}
	return a, nil
}

// fromOutside wraps an error of the transport. If the context has ended and caused it, it returns
// the context's error.
func fromOutside(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return ctx.Err()
	}
	return quote(err)
}

// distrustIdle closes idle connections when an attempt has timed out. They may be dead, too, and
// over HTTP/1.1 each would cost one more attempt.
func (p *pipeline) distrustIdle(attempt context.Context) {
	if p.own != nil && errors.Is(attempt.Err(), context.DeadlineExceeded) {
		p.own.CloseIdleConnections()
	}
}

// checkTarget returns an error for a request that does not get one Customer Profile, so that no
// request editor of the generated client sends credentials elsewhere or changes anything.
func (p *pipeline) checkTarget(req *http.Request) error {
	u, base := req.URL, p.cfg.baseURL
	host := req.Host
	if host == "" {
		host = u.Host
	}
	switch path := u.EscapedPath(); {
	case u.Scheme != base.Scheme || u.Host != base.Host || u.Opaque != "" || host != base.Host:
		return fmt.Errorf("trusthub: the request is for another host than the base URL: %q", text.Printable(host, 80))
	case req.Method != "" && req.Method != http.MethodGet:
		return fmt.Errorf("trusthub: the request has another method than GET: %q", text.Printable(req.Method, 20))
	case !strings.HasPrefix(path, p.profiles):
		return fmt.Errorf("%w: %q is not the path of a profile", ErrInvalidSID, text.Printable(path, 80))
	default:
		return checkSID(path[len(p.profiles):])
	}
}

func checkSID(s string) error {
	if sid.IsValid(s) {
		return nil
	}
	return fmt.Errorf("%w %q: want BU and 32 hexadecimal digits", ErrInvalidSID, text.Printable(s, 40))
}

// batches is the set of running batches.
type batches struct {
	mu  sync.Mutex
	all map[*outage.Guard]struct{}
}

func (b *batches) add(one *outage.Guard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = make(map[*outage.Guard]struct{})
	}
	b.all[one] = struct{}{}
}

func (b *batches) remove(one *outage.Guard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, one)
}

// health records how the requests of a client end.
type health struct {
	mu                        sync.Mutex
	lastSuccess, failingSince time.Time
	sids                      [3]string // SIDs of Twilio's last responses
	next                      int       // index in sids to replace
}

func (h *health) learn(o *attempt.Outcome, sid string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case o.Conclusive():
		h.lastSuccess, h.failingSince = now, time.Time{}
		h.sids[h.next] = sid
		h.next = (h.next + 1) % len(h.sids)
	case h.failingSince.IsZero():
		h.failingSince = now
	}
}

func (h *health) read() (lastSuccess, failingSince time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastSuccess, h.failingSince
}

// recent returns the SIDs of Twilio's last responses, as probes for a batch.
func (h *health) recent() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.sids[:]), func(sid string) bool { return sid == "" })
}

// stats returns the sums over all batches.
func (b *batches) stats() (limit float64, waiting int, holding bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for one := range b.all {
		scope := one.Scope.Stats()
		limit += scope.Limit
		waiting += scope.Waiting + one.Waiting()
		holding = holding || one.IsHolding()
	}
	return limit, waiting, holding
}
