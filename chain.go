package trusthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strings"
	"time"
)

// chain is what a request goes through on its way from generated code to the network. It implements gen.HttpRequestDoer,
// so that facade and generated client share it:
//
//	target check → retries → limiter → authentication → middleware → transport → bounded read
//
// One attempt is all from the limiter on, so that a body torn in the middle is retried like a refused connection.
type chain struct {
	cfg      *config
	next     http.RoundTripper
	own      *http.Transport // behind next; nil: the caller's
	profiles string          // the path that a SID follows
	header   http.Header     // of every request
	timeout  error           // of an attempt that takes too long
	limiter  *limiter
	quota    *quota
	fleets   *fleets // that are running
	fleet    *fleet  // whose calls these are; nil: single ones
}

// route is the path of the operation in the OpenAPI document.
const route = "/v1/CustomerProfiles/{Sid}"

func newChain(cfg *config) (*chain, error) {
	next, own, err := newRoundTripper(cfg)
	if err != nil {
		return nil, err
	}
	c := &chain{
		cfg:      cfg,
		next:     next,
		own:      own,
		profiles: cfg.baseURL.EscapedPath() + strings.TrimPrefix(strings.TrimSuffix(route, "{Sid}"), "/"),
		header:   http.Header{"Accept": {"application/json"}, "User-Agent": {cfg.userAgent}},
		timeout:  timeoutError(cfg.timeout),
		quota:    newQuota(),
		limiter:  newLimiter(math.Inf(1), cfg.retry.MaxWait),
		fleets:   new(fleets),
	}
	if cfg.maxConcurrency > 0 {
		c.limiter = newLimiter(float64(cfg.maxConcurrency), cfg.retry.MaxWait)
	}
	return c, nil
}

// Do sends req, and returns the last answer with its body in memory. Generated code decodes it, and tells nobody how that ends.
func (c *chain) Do(req *http.Request) (*http.Response, error) {
	answer, err := c.do(req)
	if answer != nil {
		_ = finish(answer, contentOf(answer).failure)
	}
	return answer, err
}

// undecoded is the chain of the facade's calls: their requests have a path alone, and they end with finish, after their
// answers are decoded.
type undecoded struct{ *chain }

func (u undecoded) Do(req *http.Request) (*http.Response, error) {
	base := u.cfg.baseURL
	req.URL.Scheme, req.URL.Host, req.Host = base.Scheme, base.Host, base.Host
	return u.do(req)
}

func (c *chain) do(req *http.Request) (*http.Response, error) {
	if err := c.checkTarget(req); err != nil {
		return nil, err
	}
	call := newCall(c, req)
	returned := false
	defer func() {
		if !returned {
			call.panicked()
		}
	}()
	answer, err := call.run()
	returned = true
	if err != nil {
		call.done(err)
	} else {
		contentOf(answer).call = call
	}
	return answer, err
}

// finish tells the hooks how the call of an answer has ended, if there was one, and returns that error.
func finish(answer *http.Response, err error) error {
	if answer != nil {
		contentOf(answer).call.done(err)
	}
	return err
}

// checkTarget refuses what does not get one Customer Profile, so that neither a malformed SID nor a request editor of the
// generated client takes credentials elsewhere or changes anything.
func (c *chain) checkTarget(req *http.Request) error {
	u, base := req.URL, c.cfg.baseURL
	if u.Scheme != base.Scheme || u.Host != base.Host || u.Opaque != "" || req.Host != "" && req.Host != base.Host {
		return fmt.Errorf("trusthub: the request is for another host than the base URL: %q", printable(cmp.Or(req.Host, u.Host), 80))
	}
	if req.Method != "" && req.Method != http.MethodGet {
		return fmt.Errorf("trusthub: the request has another method than GET: %q", printable(req.Method, 20))
	}
	path := u.EscapedPath()
	sid, ok := strings.CutPrefix(path, c.profiles)
	if !ok {
		return fmt.Errorf("%w: %q is not the path of a profile", ErrInvalidSID, printable(path, 80))
	}
	return checkSID(sid)
}

// send sends a copy of req within the time of one attempt. The copy carries the credentials, so that the request that
// callers see does not.
func (c *chain) send(ctx context.Context, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.timeout, c.timeout)
	defer cancel()
	defer c.distrustIdle(ctx)
	signed := req.WithContext(ctx)
	signed.URL = new(*req.URL)
	signed.Header = c.header.Clone()
	maps.Copy(signed.Header, req.Header)
	err := c.cfg.auth.Authorize(signed)
	switch {
	case err != nil && errors.Is(context.Cause(ctx), c.timeout):
		return nil, &unsentError{fmt.Errorf("authentication: %w", c.timeout)}
	case err != nil:
		return nil, &unsentError{fmt.Errorf("authentication: %w", err)}
	}
	answer, err := c.next.RoundTrip(signed)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), c.timeout):
		return nil, c.timeout // whatever words the transport has for it
	case err != nil:
		return nil, err
	case answer == nil || answer.Body == nil:
		return nil, errors.New("the transport returned neither a whole answer nor an error")
	}
	answer.Request = req
	readContent(ctx, answer, c.cfg.maxResponseBytes)
	return answer, nil
}

// sleep waits for d or the end of ctx, whose error it returns. It returns early when over is closed.
func sleep(ctx context.Context, d time.Duration, over <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
