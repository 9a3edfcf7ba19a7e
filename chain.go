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
	fleet    *fleet // nil: single calls
}

func newChain(cfg *config) (*chain, error) {
	next, own, err := newRoundTripper(cfg)
	if err != nil {
		return nil, err
	}
	c := &chain{
		cfg:      cfg,
		next:     next,
		own:      own,
		profiles: cfg.baseURL.EscapedPath() + "v1/CustomerProfiles/",
		header:   http.Header{"Accept": {"application/json"}, "User-Agent": {cfg.userAgent}},
		timeout:  timeoutError(cfg.timeout),
		quota:    newQuota(),
		limiter:  newLimiter(math.Inf(1)),
	}
	if cfg.maxConcurrency > 0 {
		c.limiter = newLimiter(float64(cfg.maxConcurrency))
	}
	return c, nil
}

// Do sends req, more than once where that may help, and returns the last answer with its body in memory.
func (c *chain) Do(req *http.Request) (*http.Response, error) {
	if err := c.checkTarget(req); err != nil {
		return nil, err
	}
	ctx := req.Context()
	retries := newRetries(c)
	var previous error
	for number := 1; ; number++ {
		answer, failure := c.attempt(req, retries, number)
		if failure == nil {
			c.quota.give()
			return answer, nil
		}
		if ctx.Err() != nil {
			return nil, interrupted(req, failure, previous)
		}
		wait, again := c.decide(ctx, retries, failure)
		if !again && answer != nil {
			return answer, nil
		}
		if !again {
			return nil, notAnswered(req, failure, previous)
		}
		if sleep(ctx, wait, c.over()) != nil {
			return nil, interrupted(req, ctx.Err(), failure)
		}
		previous = failure
	}
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

// attempt sends req once, when it is its turn, and records what came of it. It returns an answer, or a failure, or both:
// an answer of which the failure tells what is wrong with it.
func (c *chain) attempt(req *http.Request, r *retries, number int) (answer *http.Response, failure error) {
	ctx := req.Context()
	if err := c.enter(ctx, r); err != nil {
		return nil, err
	}
	defer c.leave(r) // also when middleware panics
	start := time.Now()
	answer, failure = c.send(req)
	took := time.Since(start)
	if answer != nil {
		failure = contentOf(answer).failure
	}
	if ctx.Err() == nil || failure == nil {
		c.learn(r, answer, failure, start)
	}
	if !isUnsent(failure) {
		record(ctx, answer, number)
		c.log(req, answer, number, took, failure)
	}
	return answer, failure
}

// enter waits for the turn of a call, in its fleet and in the client.
func (c *chain) enter(ctx context.Context, r *retries) error {
	if c.fleet == nil {
		return c.limiter.enter(ctx, &r.turn)
	}
	for {
		if err := c.fleet.limiter.enter(ctx, &r.member.turn); err != nil {
			return err
		}
		err := c.limiter.enter(ctx, &r.turn)
		switch {
		case err == nil && !c.fleet.limiter.barred(&r.member.turn):
			return nil
		case err == nil: // the fleet holds in the meantime
			c.limiter.leave(&r.turn)
		case ctx.Err() != nil:
			c.fleet.limiter.leave(&r.member.turn)
			return err
		}
		c.fleet.limiter.leave(&r.member.turn)
	}
}

func (c *chain) leave(r *retries) {
	c.limiter.leave(&r.turn)
	if c.fleet != nil {
		c.fleet.limiter.leave(&r.member.turn)
	}
}

// learn tells limiters and fleet how an attempt ended, before its turn does.
func (c *chain) learn(r *retries, answer *http.Response, failure error, start time.Time) {
	took := time.Since(start)
	refusal, _ := errors.AsType[*Error](failure)
	switch {
	case isRefusal(failure):
		if c.limiter.refuse(&r.turn, refusal, took) && c.fleet != nil {
			c.fleet.limiter.cut(&r.member.turn)
		}
	case answer != nil && (failure == nil || !isTransient(failure)):
		c.limiter.succeed(&r.turn, took)
		if c.fleet != nil {
			c.fleet.limiter.succeed(&r.member.turn, took)
		}
	}
	if c.fleet != nil {
		c.fleet.outage.learn(r, answer, failure, start)
	}
}

// decide says how a call goes on after a failure.
func (c *chain) decide(ctx context.Context, r *retries, failure error) (wait time.Duration, again bool) {
	if c.fleet != nil {
		return c.fleet.outage.next(ctx, r, failure)
	}
	return r.next(failure)
}

// over is closed when the fleet has ended, if there is one.
func (c *chain) over() <-chan struct{} {
	if c.fleet == nil {
		return nil
	}
	return c.fleet.outage.over
}

// forgives reports whether a 429 only says that the limit is not found yet: there is one, and some request succeeded lately.
func (c *chain) forgives() bool {
	return (c.cfg.maxConcurrency > 0 || c.fleet != nil) && c.limiter.thrives(c.cfg.retry.MaxWait)
}

// send sends a copy of req within the time of one attempt. The copy carries the credentials, so that the request that
// callers see does not.
func (c *chain) send(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, &unsentError{err}
	}
	ctx, cancel := context.WithTimeoutCause(req.Context(), c.cfg.timeout, c.timeout)
	defer cancel()
	defer c.distrustIdle(ctx)
	signed := req.WithContext(ctx)
	signed.URL = new(*req.URL)
	signed.Header = c.header.Clone()
	maps.Copy(signed.Header, req.Header)
	if err := c.cfg.auth.Authorize(signed); err != nil {
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
