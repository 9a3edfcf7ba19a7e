package trusthub

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// chain is what a request goes through on its way from generated code to the network:
// target check → authentication → http.Client → bounded read. It implements gen.HttpRequestDoer, so that facade and
// generated client share it.
type chain struct {
	cfg  *config
	http *http.Client
}

func newChain(cfg *config) *chain {
	client := cfg.httpClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &chain{cfg: cfg, http: &client}
}

// Do sends req and returns the answer with its body in memory.
func (c *chain) Do(req *http.Request) (*http.Response, error) {
	if err := c.checkTarget(req.URL); err != nil {
		return nil, err
	}
	answer, err := c.attempt(req)
	record(req.Context(), answer, 1)
	if err != nil {
		return nil, fmt.Errorf("trusthub: %w", err)
	}
	return answer, nil
}

// checkTarget refuses what is not the address of one Customer Profile, so that neither a malformed SID nor a request
// editor of the generated client takes credentials elsewhere.
func (c *chain) checkTarget(u *url.URL) error {
	if u.Scheme != c.cfg.baseURL.Scheme || u.Host != c.cfg.baseURL.Host {
		return fmt.Errorf("trusthub: the request is for another host than the base URL: %q", u.Host)
	}
	path := u.EscapedPath()
	sid, ok := strings.CutPrefix(path, c.cfg.baseURL.EscapedPath()+"v1/CustomerProfiles/")
	if !ok {
		return fmt.Errorf("%w: %q is not the path of a profile", ErrInvalidSID, printable(path, 80))
	}
	return checkSID(sid)
}

// attempt sends a copy of req once. The copy carries the credentials, so that the request that callers see does not.
func (c *chain) attempt(req *http.Request) (*http.Response, error) {
	signed := req.Clone(req.Context())
	signed.Header.Set("Accept", "application/json")
	signed.Header.Set("User-Agent", userAgent)
	if err := c.cfg.auth.Authorize(signed); err != nil {
		return nil, fmt.Errorf("authentication: %w", err)
	}
	answer, err := c.http.Do(signed) //nolint:gosec // G704: checkTarget has pinned host and path
	if err != nil {
		return nil, err
	}
	answer.Request = req
	answer.Body = readContent(answer, c.cfg.maxResponseBytes)
	return answer, nil
}

const userAgent = "trusthub-go/0.1.0"
