package trusthubtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/webhook"
)

// CallBack makes Put call back, with client, as Twilio does: when the status of a profile that was there before has changed, and
// its StatusCallback is not empty, that is sent a signed POST. Put returns when it is answered, or after the 15 s that Twilio waits; a
// failure has no consequence, and a client whose Transport looks at the answers sees it. nil ends it.
//
// The form has Sid and Status. That is the fake's invention: what Twilio posts is not documented, and not to be relied on.
func (h *Handler) CallBack(client *http.Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.caller = client
}

// store keeps a profile and returns the client to call back with, if that is due.
func (h *Handler) store(profile trusthub.CustomerProfile, body []byte) *http.Client {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := strings.ToUpper(profile.SID)
	var before trusthub.CustomerProfile
	known := json.Unmarshal(h.profiles[key], &before) == nil
	h.profiles[key] = body
	if !known || before.Status == profile.Status || profile.StatusCallback == "" {
		return nil
	}
	return h.caller
}

// patience is how long Twilio waits for an answer, unless it is told otherwise.
// See https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
const patience = 15 * time.Second

// callBack tells whoever the profile names that its status has changed.
func callBack(client *http.Client, profile trusthub.CustomerProfile) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	form := url.Values{"Sid": {profile.SID}, "Status": {string(profile.Status)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, profile.StatusCallback, strings.NewReader(form.Encode()))
	if err != nil {
		return // a URL that nobody can call
	}
	r.URL.Path = cmp.Or(r.URL.Path, "/") // what the server will see
	r.URL.Fragment, r.URL.RawFragment = "", ""
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if sign(r, r.URL.String()) != nil {
		return // a URL that nobody can sign
	}
	if answer, err := client.Do(r); err == nil {
		_ = answer.Body.Close()
	}
}

// SignCallback signs r as Twilio would, calling url with [Password] as the auth token; the body can be read again. A body
// other than a form needs its SHA-256 in the query of url before, hexadecimal, as bodySHA256. SignCallback panics when it cannot be
// read, or when it is neither.
func SignCallback(r *http.Request, url string) {
	if err := sign(r, url); err != nil {
		panic(fmt.Sprintf("trusthubtest: SignCallback: %v", err))
	}
}

func sign(r *http.Request, url string) error {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return err
		}
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	parameters, err := webhook.Parameters(url, body)
	if err != nil {
		return err
	}
	r.Header.Set(webhook.Header, webhook.Sign(Password, url, parameters))
	return nil
}
