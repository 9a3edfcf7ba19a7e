package trusthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub/internal/text"
	"github.com/seed07fc1495/trusthub/internal/webhook"
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
	called := &callbacks{client: c, url: publicURL, authTokens: webhook.NotBlank(authTokens), handle: handle}
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
	body, err := webhook.Verify(r, webhook.CalledURL(c.url, r.URL), c.authTokens)
	if err != nil {
		return "", http.StatusForbidden
	}
	if sid = webhook.Subject(r, body); sid == "" {
		return "", http.StatusBadRequest
	}
	return sid, 0
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
	logger := c.client.pipeline.cfg.logger
	if logger == nil || !logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", text.Printable(r.Method, 20)),
		slog.Int("status", status),
		slog.Duration("duration", took),
	}
	if sid != "" {
		attrs = append(attrs, slog.String("sid", sid))
	}
	logger.LogAttrs(r.Context(), level, message, attrs...)
}

// ErrSignature says that Twilio has not signed a request, as far as can be told. The text around it says what is wrong with the
// request, and nothing of what a right signature would be.
var ErrSignature = errors.New("trusthub: no valid signature of Twilio")

// VerifyCallback returns nil if Twilio has signed r, and an [ErrSignature] if not: X-Twilio-Signature is the HMAC-SHA1 of the
// URL and the form parameters, by an auth token of the account. A body that is no form is covered by its bodySHA256 in the query.
//
// The url is the one that Twilio called, byte for byte, with its query and without the fragment that a callback's URL may have.
// Behind a proxy it is not what r says. It is tried with and without its port, because Twilio's signatures are not consistent
// there. A parameter that is repeated counts once with each distinct value, the values being sorted; none is left unsigned.
//
// The tokens are auth tokens of the account that is called for: the one that is in use, and the next one while they are
// rotated. The secret of an API key signs nothing. Blank tokens are ignored, so that an unset variable is not a key that
// anybody can sign with; without another one, nothing is valid.
//
// Up to 1 MiB of the body is read, and r.Body can be read again afterwards, whatever the result. So it comes before all else
// that reads the body, such as r.ParseForm. Nothing in a signature says when it was made: who has got hold of a signed request
// can repeat it.
//
// See https://www.twilio.com/docs/usage/webhooks/webhooks-security.
func VerifyCallback(r *http.Request, url string, authTokens ...string) error {
	if _, err := webhook.Verify(r, url, webhook.NotBlank(authTokens)); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}
