package trusthubtest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/webhook"
)

// CallBack makes [Handler.Put] send status callbacks through client, as Twilio does: a profile gets
// a signed POST to its StatusCallback when it was there before and its Status has changed. Put
// returns after the response, or after the 15 s that Twilio waits. A failed callback has no effect;
// a Transport of the client sees the responses. A nil client turns callbacks off.
//
// The parameters are AccountSid, BundleSid, Status and FailureReason, the names that open-source
// code reads. Twilio does not document them. They are the form of a POST, and the query of a GET.
func (h *Handler) CallBack(client *http.Client) { h.CallBackWith(client, CallbackStyle{}) }

// CallBackWith is CallBack with another style.
func (h *Handler) CallBackWith(client *http.Client, style CallbackStyle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.caller, h.style = client, style
}

// CallbackStyle is how status callbacks are sent and signed. Twilio documents each field, or public
// code shows it.
type CallbackStyle struct {
	// Key signs the callbacks, as [SignCallbackWith] does. The zero key means the auth token of the
	// profile's account (see [Handler.AddAccount]).
	Key trusthub.SigningKey
	// SHA1 signs by HMAC_SHA1 when Key is a SharedKey. The default is HMAC_SHA256.
	SHA1 bool
	// GET sends a GET, with the parameters at the end of the query.
	GET bool
	// BodySHA256 adds the hash of the form to the query, twice.
	BodySHA256 bool
	// DropUserInfo signs the URL without user and password. The default is to sign the StatusCallback
	// as it is.
	DropUserInfo bool
}

// store stores a profile. It returns a function that sends the callback, or nil.
func (h *Handler) store(profile trusthub.CustomerProfile, body []byte) (callBack func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, known := h.find(profile.SID)
	h.profiles[strings.ToUpper(profile.SID)] = body
	if !known || before.Status == profile.Status || profile.StatusCallback == "" || h.caller == nil {
		return nil
	}
	client, style := h.caller, h.style
	if webhook.Key(style.Key).IsZero() {
		style.Key = trusthub.AuthToken(cmp.Or(h.accounts[profile.AccountSID], Password))
	}
	return func() { style.callBack(client, profile) }
}

// callbackWait is the time that Twilio waits for a response by default. See
// https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
const callbackWait = 15 * time.Second

// callBack sends a callback, unless the URL is invalid.
func (s CallbackStyle) callBack(client *http.Client, profile trusthub.CustomerProfile) {
	ctx, cancel := context.WithTimeout(context.Background(), callbackWait)
	defer cancel()
	r, err := s.request(ctx, profile)
	if err != nil {
		return
	}
	if response, err := client.Do(r); err == nil {
		_ = response.Body.Close()
	}
}

func (s CallbackStyle) request(ctx context.Context, profile trusthub.CustomerProfile) (*http.Request, error) {
	address, _, _ := strings.Cut(profile.StatusCallback, "#")
	form, method, body := callbackForm(profile), http.MethodPost, ""
	if s.BodySHA256 {
		sum := sha256.Sum256([]byte(form))
		hash := "bodySHA256=" + hex.EncodeToString(sum[:])
		address = addQuery(address, hash+"&"+hash)
	}
	if s.GET {
		method, address = http.MethodGet, addQuery(address, form)
	} else {
		body = form
	}
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if !s.GET {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if parsed, ok := webhook.ParseAddress(address); ok && s.DropUserInfo {
		parsed.UserInfo = ""
		address = parsed.String()
	}
	if s.SHA1 {
		return r, sign(r, address, s.Key, webhook.SHA1)
	}
	return r, sign(r, address, s.Key, webhook.SHA256)
}

func callbackForm(profile trusthub.CustomerProfile) string {
	reason := ""
	if profile.Status == trusthub.StatusTwilioRejected && len(profile.Errors) > 0 {
		reason = trusthub.ProfileErrorText(profile.Errors[0].Code)
	}
	return url.Values{
		"AccountSid": {cmp.Or(profile.AccountSID, Username)}, "BundleSid": {profile.SID}, "Status": {string(profile.Status)}, "FailureReason": {reason},
	}.Encode()
}

// addQuery adds a query, and changes nothing else in the address.
func addQuery(address, query string) string {
	if strings.Contains(address, "?") {
		return address + "&" + query
	}
	return address + "?" + query
}

// SignCallback signs r as if Twilio called url, with [Password] as the auth token. The body can be
// read again. If the body is not a form, the query of url needs its hexadecimal SHA-256 as
// bodySHA256. SignCallback panics if that is missing, for an unreadable body, and for a request
// that is too large for [trusthub.VerifyCallback].
func SignCallback(r *http.Request, url string) {
	SignCallbackWith(r, url, trusthub.AuthToken(Password))
}

// SignCallbackWith is [SignCallback] with another key. A SharedKey signs by the algorithm in the
// header X-Twilio-Webhooks-Signature-Settings of r, or else by HMAC_SHA256, and sets that header.
// It also panics for a blank key.
func SignCallbackWith(r *http.Request, url string, key trusthub.SigningKey) {
	algorithm := webhook.SHA256
	if strings.HasSuffix(r.Header.Get(webhook.SettingsHeader), "algorithm="+string(webhook.SHA1)) {
		algorithm = webhook.SHA1
	}
	if err := sign(r, url, key, algorithm); err != nil {
		panic(fmt.Sprintf("trusthubtest: SignCallback: %v", err))
	}
}

// sign signs by an auth token, or by a SharedKey and an algorithm.
func sign(r *http.Request, address string, signingKey trusthub.SigningKey, algorithm webhook.Algorithm) error {
	key := webhook.Key(signingKey)
	if key.IsZero() {
		return errors.New("the key is blank")
	}
	message, err := webhook.Read(r, address)
	if err != nil {
		return err
	}
	parameters, err := message.Parameters()
	if err != nil {
		return err
	}
	r.Header.Del(webhook.SettingsHeader)
	if key.ID() == "" {
		algorithm = webhook.SHA1
	} else {
		r.Header.Set(webhook.SettingsHeader, key.Settings(algorithm))
	}
	r.Header.Set(webhook.SignatureHeader, key.Sign(algorithm, address, webhook.Text(parameters)))
	return nil
}
