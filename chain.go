package trusthub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
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
	profiles string      // the path that a SID follows
	header   http.Header // of every request
	timeout  error       // of an attempt that takes too long
	limiter  *limiter    // nil: no limit
	quota    *quota
}

func newChain(cfg *config) (*chain, error) {
	next, err := newRoundTripper(cfg)
	if err != nil {
		return nil, err
	}
	c := &chain{
		cfg:      cfg,
		next:     next,
		profiles: cfg.baseURL.EscapedPath() + "v1/CustomerProfiles/",
		header:   http.Header{"Accept": {"application/json"}, "User-Agent": {cfg.userAgent}},
		timeout:  timeoutError(cfg.timeout),
		quota:    newQuota(),
	}
	if cfg.maxConcurrency > 0 {
		c.limiter = newLimiter(cfg.maxConcurrency)
	}
	return c, nil
}

// Do sends req, more than once where that may help, and returns the last answer with its body in memory.
func (c *chain) Do(req *http.Request) (*http.Response, error) {
	if err := c.checkTarget(req.URL); err != nil {
		return nil, err
	}
	ctx := req.Context()
	retries := newRetries(c)
	var previous error
	for number := 1; ; number++ {
		answer, failure := c.attempt(req, number)
		if failure == nil {
			c.quota.give()
			return answer, nil
		}
		if ctx.Err() != nil {
			return nil, interrupted(req, failure, previous)
		}
		wait, again := retries.next(failure)
		if !again && answer != nil {
			return answer, nil
		}
		if !again {
			return nil, &sendError{operation(req), failure}
		}
		if sleep(ctx, wait) != nil {
			return nil, interrupted(req, ctx.Err(), failure)
		}
		previous = failure
	}
}

// checkTarget refuses what is not the address of one Customer Profile, so that neither a malformed SID nor a request
// editor of the generated client takes credentials elsewhere.
func (c *chain) checkTarget(u *url.URL) error {
	if u.Scheme != c.cfg.baseURL.Scheme || u.Host != c.cfg.baseURL.Host || u.Opaque != "" {
		return fmt.Errorf("trusthub: the request is for another host than the base URL: %q", printable(u.Host, 80))
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
func (c *chain) attempt(req *http.Request, number int) (answer *http.Response, failure error) {
	ctx := req.Context()
	turn, err := c.limiter.acquire(ctx)
	if err != nil {
		return nil, &unsentError{err}
	}
	defer func() { c.limiter.release(turn, answer) }() // also when middleware panics
	start := time.Now()
	answer, failure = c.send(req)
	if isUnsent(failure) {
		return nil, failure
	}
	record(ctx, answer, number)
	if answer != nil {
		failure = contentOf(answer).failure
	}
	c.log(req, answer, number, time.Since(start), failure)
	return answer, failure
}

// send sends a copy of req within the time of one attempt. The copy carries the credentials, so that the request that
// callers see does not.
func (c *chain) send(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, &unsentError{err}
	}
	ctx, cancel := context.WithTimeoutCause(req.Context(), c.cfg.timeout, c.timeout)
	defer cancel()
	signed := req.WithContext(ctx)
	signed.URL = new(*req.URL)
	signed.Header = c.header.Clone()
	maps.Copy(signed.Header, req.Header)
	if err := c.cfg.auth.Authorize(signed); err != nil {
		return nil, &unsentError{fmt.Errorf("authentication: %w", err)}
	}
	answer, err := c.next.RoundTrip(signed)
	switch {
	case err != nil:
		return nil, err
	case answer == nil || answer.Body == nil:
		return nil, errors.New("the transport returned neither a whole answer nor an error")
	}
	answer.Request = req
	readContent(answer, c.cfg.maxResponseBytes)
	return answer, nil
}

// sleep waits for d or the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
