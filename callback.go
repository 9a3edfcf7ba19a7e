package trusthub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// callbackTime is what fetch and handle have together. Twilio waits 15 s for an answer, unless it is told otherwise.
// See https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
const callbackTime = 10 * time.Second

// CallbackHandler serves the status_callback of Customer Profiles: it verifies that Twilio is calling ([VerifyCallback]), takes from
// the call nothing but which profile it is about, fetches that profile, and hands it to handle. What Twilio sends is not
// documented, and need not be.
//
// The publicURL is where Twilio reaches the handler, such as "https://app.example.com", which behind a proxy the request does not
// know. The whole path of the request is appended to it, with one slash between, and then its query. A handler that
// is mounted below a path goes under [http.StripPrefix], or has a publicURL without that path:
//
//	h := client.CallbackHandler("https://app.example.com/trusthub", tokens, handle)
//	http.Handle("/trusthub/", http.StripPrefix("/trusthub", h))
//
// The profile is the one whose SID is the last in the path; a status_callback such as https://app.example.com/trusthub/BU… is the
// sure way to have it there. Without one in the path, it is the one SID among the values that are posted in a form or as JSON, or
// that the query of a GET has.
//
// Calls come late, twice or in another order than their causes, and anybody who has seen one can repeat it. The profile is
// fetched as it is now, so that handle must only not mind to be given the same a second time, nor to run several times at once. Fetch
// and handle together have 10 s, after which the context of handle ends. Handle what takes longer elsewhere.
//
// The answer is 204 when handle has returned nil, and when there is no such profile any more. It is 503 when fetch or handle
// has failed with an error that [IsRetryable], and 500 with any other, so that Twilio may call again. Else it is 403 without a valid
// signature, 400 when the call is not about exactly one profile, and 405 with another method than POST and GET. The
// logger gets one record a call: method, status, duration, and the SID of a verified one.
//
// The tokens are as for VerifyCallback. CallbackHandler panics when all are blank, when publicURL is not an absolute http or https
// URL without query and fragment, and when handle is nil.
func (c *Client) CallbackHandler(publicURL string, authTokens []string, handle func(context.Context, *CustomerProfile) error) http.Handler {
	called := &callbacks{client: c, url: publicURL, authTokens: usable(authTokens), handle: handle}
	switch {
	case !isPublicURL(publicURL):
		panic("trusthub: CallbackHandler: the public URL is malformed: want https://host, a port and a path being optional")
	case len(called.authTokens) == 0:
		panic("trusthub: CallbackHandler: there is no auth token to verify signatures with")
	case handle == nil:
		panic("trusthub: CallbackHandler: handle is nil")
	}
	return http.HandlerFunc(called.serve) // which prints no token
}

func isPublicURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && !strings.ContainsAny(s, "?#")
}

type callbacks struct {
	client     *Client
	url        string
	authTokens []string
	handle     func(context.Context, *CustomerProfile) error
}

func (c *callbacks) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	sid, refusal := c.about(r)
	status := cmp.Or(refusal, http.StatusInternalServerError) // for when handle panics
	defer func() { c.log(r, sid, status, time.Since(start)) }()
	if refusal == 0 {
		status = c.deliver(r.Context(), sid)
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, POST")
	}
	w.WriteHeader(status)
}

// about returns the SID of the profile that a call is about, or the status that refuses it.
func (c *callbacks) about(r *http.Request) (sid string, refusal int) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return "", http.StatusMethodNotAllowed
	}
	body, err := verify(r, c.calledURL(r.URL), c.authTokens)
	if err != nil {
		return "", http.StatusForbidden
	}
	for _, element := range slices.Backward(strings.Split(r.URL.Path, "/")) {
		if isSID(element) {
			return element, 0
		}
	}
	values := formValues(r.URL.RawQuery)
	if r.Method == http.MethodPost {
		values = postedValues(body)
	}
	if sid = onlySID(values); sid == "" {
		return "", http.StatusBadRequest
	}
	return sid, 0
}

// calledURL is what Twilio has called and signed.
func (c *callbacks) calledURL(u *url.URL) string {
	called := c.url
	if path := cmp.Or(u.RawPath, u.EscapedPath()); path != "" { // as it came, also where that is not as it should be escaped
		called = strings.TrimSuffix(called, "/") + "/" + strings.TrimPrefix(path, "/")
	}
	if u.RawQuery != "" || u.ForceQuery {
		called += "?" + u.RawQuery
	}
	return called
}

// deliver fetches a profile, hands it over, and returns the status that tells how that went.
func (c *callbacks) deliver(ctx context.Context, sid string) (status int) {
	ctx, cancel := context.WithTimeout(ctx, callbackTime)
	defer cancel()
	profile, err := c.client.FetchCustomerProfile(ctx, sid)
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNoContent
	case err == nil:
		err = c.handle(ctx, profile)
	}
	switch {
	case err == nil:
		return http.StatusNoContent
	case IsRetryable(err):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// log writes one record for a call, of nothing but what is listed here.
func (c *callbacks) log(r *http.Request, sid string, status int, took time.Duration) {
	level, message := slog.LevelDebug, "trusthub: callback answered"
	if status != http.StatusNoContent {
		level, message = slog.LevelWarn, "trusthub: callback failed"
	}
	logger := c.client.chain.cfg.logger
	if logger == nil || !logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", printable(r.Method, 20)),
		slog.Int("status", status),
		slog.Duration("duration", took),
	}
	if sid != "" {
		attrs = append(attrs, slog.String("sid", sid))
	}
	logger.LogAttrs(r.Context(), level, message, attrs...)
}

// onlySID returns the one SID among values, however often it is there and in whichever case, or "".
func onlySID(values []string) (only string) {
	for _, value := range values {
		switch {
		case !isSID(value) || strings.EqualFold(value, only):
		case only != "":
			return ""
		default:
			only = value
		}
	}
	return only
}

// postedValues are the strings of a JSON document, or the values of a form.
func postedValues(body []byte) []string {
	if values := jsonStrings(body); values != nil {
		return values
	}
	return formValues(string(body))
}

func formValues(form string) (all []string) {
	parameters, err := url.ParseQuery(form)
	if err != nil {
		return nil
	}
	for _, values := range parameters {
		all = append(all, values...)
	}
	return all
}

// jsonStrings returns all strings of a document, or nil if it is none.
func jsonStrings(document []byte) (all []string) {
	decoder := jsontext.NewDecoder(bytes.NewReader(document))
	for {
		token, err := decoder.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			return nil
		case token.Kind() == '"':
			all = append(all, token.String())
		}
	}
}
