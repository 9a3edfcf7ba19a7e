package trusthub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub/internal/text"
	"github.com/seed07fc1495/trusthub/internal/webhook"
)

const (
	// callbackTime is the timeout of fetch and Handle together. By default, Twilio waits 15 s for a
	// response. See https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
	callbackTime = 10 * time.Second
	// callbackAttempt is the timeout of one attempt, so that there is time for another one after a
	// dead connection.
	callbackAttempt = 3 * time.Second
)

// CallbackConfig configures [Client.CallbackHandler]. All fields are required, except that Handle
// is nil for [Tracker.CallbackHandler].
type CallbackConfig struct {
	// PublicURL is the URL by which Twilio reaches the handler, such as "https://app.example.com". Use
	// the scheme, host and user info of the status_callback, also when a proxy sends plain HTTP to
	// your server: the request does not hold them. User and password are never printed. A query and a
	// fragment are errors.
	PublicURL string
	// Keys are the keys that Twilio signs with, at most 4: those in use, and the next ones during a
	// rotation. Blank keys are ignored.
	Keys []SigningKey
	// Handle is called with the profile as it is now and the event that Twilio sent. It must be
	// idempotent and safe for concurrent use.
	Handle func(context.Context, *CustomerProfile, CallbackEvent) error
}

// Format prints no URL and no key, under any verb.
func (CallbackConfig) Format(f fmt.State, _ rune) { fmt.Fprint(f, "trusthub.CallbackConfig(…)") }

func (cfg CallbackConfig) check(usable []webhook.Key) error {
	switch {
	case !isPublicURL(cfg.PublicURL):
		return errors.New("trusthub: CallbackConfig.PublicURL is malformed: want https://host, with a port and a path if there are any")
	case len(usable) == 0:
		return errors.New("trusthub: CallbackConfig.Keys has no key, or blank ones only: add an AuthToken or a SharedKey")
	case len(usable) > webhook.MaxKeys:
		return fmt.Errorf("trusthub: CallbackConfig.Keys has %d keys: use at most %d, and one handler for each account", len(usable), webhook.MaxKeys)
	case sharesID(usable):
		return errors.New("trusthub: CallbackConfig.Keys has two SharedKeys with the same id: the id chooses the key")
	}
	return nil
}

func sharesID(keys []webhook.Key) bool {
	seen := make(map[string]bool)
	for _, key := range keys {
		if id := key.ID(); id != "" && seen[id] {
			return true
		}
		seen[key.ID()] = true
	}
	return false
}

func isPublicURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && !strings.ContainsAny(s, "?#")
}

// CallbackEvent holds the parameters of a callback. They are verified, but Twilio does not document
// them; the names are those that open-source code reads. An event has no time. It can come late,
// twice, or in another order than the changes, so use FailureReason only when Status equals the
// status of the fetched profile. It prints no values, since they may be personal data.
type CallbackEvent struct {
	AccountSID string // the parameter AccountSid; "" if absent
	// BundleSid: the SID of the profile, or of another bundle with the same URL
	BundleSID string
	// Status: that of the profile when the callback was sent, such as "twilio-rejected"
	Status        string
	FailureReason string // FailureReason: why Twilio rejected the profile
	// Values has all parameters: the form of a POST, the query of a GET, or the texts of a JSON
	// object.
	Values url.Values
}

// Format prints the number of parameters, under every verb.
func (e CallbackEvent) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.size()) }

// MarshalText writes the number of parameters, for slog and JSON.
func (e CallbackEvent) MarshalText() ([]byte, error) { return []byte(e.size()), nil }

func (e CallbackEvent) size() string {
	return fmt.Sprintf("trusthub.CallbackEvent(%d parameters)", len(e.Values))
}

func newCallbackEvent(values url.Values) CallbackEvent {
	return CallbackEvent{values.Get("AccountSid"), values.Get("BundleSid"), values.Get("Status"), values.Get("FailureReason"), values}
}

// isOfAnother reports whether the event names another account than the profile's.
func (e CallbackEvent) isOfAnother(account string) bool {
	return account != "" && slices.ContainsFunc(e.Values["AccountSid"], func(sid string) bool { return !strings.EqualFold(sid, account) })
}

// CallbackHandler returns a handler for the status_callback of Customer Profiles. It verifies that
// Twilio has signed the request, as [VerifyCallback] does, fetches the profile that the request is
// about, and calls Handle with both.
//
// The URL that Twilio called is PublicURL, then the whole path of the request, with one slash
// between, and then its query. A handler that is mounted below a path goes under
// [http.StripPrefix], or has a PublicURL without that path:
//
//	cfg := trusthub.CallbackConfig{PublicURL: "https://app.example.com/trusthub", Keys: keys}
//	cfg.Handle = handle
//	h, err := client.CallbackHandler(cfg)
//	http.Handle("/trusthub/", http.StripPrefix("/trusthub", h))
//
// The profile is the one whose SID is the last in the path; a status_callback such as
// https://app.example.com/trusthub/BU… is the sure way to have it there. Without one in the path,
// it is the BundleSid, or else the only SID of a profile among the parameters of a POST or the
// query of a GET.
//
// Fetch and Handle together have 10 s. Then the context of Handle ends. An attempt of the fetch has
// 3 s, or the time of [WithTimeout] if that is shorter. Fetches have connections of their own, so
// each function of [WithMiddleware] is called once more. Put longer work into a queue. By default,
// Twilio does not repeat a callback that got a response. If fetch or Handle fails, it is lost: poll
// the profiles as well, for example by [Client.WatchCustomerProfile].
//
// The response is 204 when Handle has returned nil, and when there is no such profile any more. It
// is 503 when fetch or Handle has failed with an error that [IsRetryable], and 500 with any other.
// It is 403 without a valid signature and for an AccountSid that is not the profile's, 400 when the
// request is not about exactly one profile, and 405 with another method than POST and GET.
//
// A request without a valid signature costs at most 2 ms of CPU time. [WithLogger] and [Hooks] have
// a record of each request, with one of the reasons that [CallbackInfo] lists. The handler is safe
// for concurrent use. An invalid configuration is an error that names the field.
func (c *Client) CallbackHandler(cfg CallbackConfig) (http.Handler, error) {
	keys := webhookKeys(cfg.Keys)
	if err := cfg.check(keys); err != nil {
		return nil, err
	}
	if cfg.Handle == nil {
		return nil, errors.New("trusthub: CallbackConfig.Handle is nil")
	}
	quick, err := c.pipeline.withTimeout(callbackAttempt)
	if err != nil {
		return nil, err
	}
	called := &callbacks{client: &Client{quick}, url: cfg.PublicURL, keys: keys, handle: cfg.Handle}
	called.deliver = called.fetch
	return http.HandlerFunc(called.serve), nil // prints neither keys nor URL
}

type callbacks struct {
	client *Client
	url    string
	keys   []webhook.Key
	handle func(context.Context, *CustomerProfile, CallbackEvent) error
	// deliver handles a verified callback.
	deliver func(ctx context.Context, sid string, event CallbackEvent) (status int, reason string)
}

// callbackResult is the outcome of a request.
type callbackResult struct {
	status int
	reason string // "" if it succeeded
	sid    string // the profile of a verified request
}

func (c *callbacks) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	result := callbackResult{status: http.StatusInternalServerError, reason: "panic"}
	defer func() { c.report(r, result, time.Since(start)) }()
	c.answer(r, &result)
	if result.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, POST")
	}
	w.WriteHeader(result.status)
}

// answer fills the result step by step, so that it is right when Handle panics.
func (c *callbacks) answer(r *http.Request, result *callbackResult) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		result.status, result.reason = http.StatusMethodNotAllowed, "method"
		return
	}
	message, err := webhook.Verify(r, webhook.CalledURL(c.url, r.URL), c.keys)
	if err != nil {
		result.status, result.reason = http.StatusForbidden, "signature"
		if errors.Is(err, webhook.ErrUnsigned) {
			result.reason = "no_signature"
		}
		return
	}
	sid := message.Subject(r.URL.Path)
	if sid == "" {
		result.status, result.reason = http.StatusBadRequest, "no_sid"
		return
	}
	result.sid = sid
	result.status, result.reason = c.deliver(r.Context(), sid, newCallbackEvent(message.Values()))
}

// fetch fetches the profile and calls Handle.
func (c *callbacks) fetch(ctx context.Context, sid string, event CallbackEvent) (status int, reason string) {
	ctx, cancel := context.WithTimeout(ctx, callbackTime)
	defer cancel()
	profile, err := c.client.FetchCustomerProfile(ctx, sid)
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNoContent, "not_found"
	case err != nil:
		return statusOf(err), "fetch"
	case event.isOfAnother(profile.AccountSID):
		return http.StatusForbidden, "account"
	}
	if err := c.handle(ctx, profile, event); err != nil {
		return statusOf(err), "handle"
	}
	return http.StatusNoContent, ""
}

func statusOf(err error) int {
	if IsRetryable(err) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// report writes one log record and calls the hooks. It logs only the fields that are listed here.
func (c *callbacks) report(r *http.Request, result callbackResult, took time.Duration) {
	cfg := c.client.pipeline.cfg
	cfg.hooks.callbackDone(r.Context(), CallbackInfo{result.reason, result.status, took})
	level, message := slog.LevelDebug, "trusthub: callback answered"
	if result.status != http.StatusNoContent {
		message = "trusthub: callback failed"
		if r.Header.Get(webhook.SignatureHeader) != "" { // else it is a probe or a stranger
			level = slog.LevelWarn
		}
	}
	if cfg.logger == nil || !cfg.logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", text.Printable(r.Method, 20)),
		slog.Int("status", result.status),
		slog.Duration("duration", took),
	}
	if result.reason != "" {
		attrs = append(attrs, slog.String("reason", result.reason))
	}
	if result.sid != "" {
		attrs = append(attrs, slog.String("sid", result.sid))
	}
	cfg.logger.LogAttrs(r.Context(), level, message, attrs...)
}
