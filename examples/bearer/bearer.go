// Package bearer signs requests with an OAuth 2.0 access token in place of HTTP Basic.
package bearer

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/seed07fc1495/trusthub"
)

// TokenURL is where Twilio issues tokens:
// https://www.twilio.com/docs/iam/oauth-apps/oauth-access-token.
const TokenURL = "https://oauth.twilio.com/v2/token" // #nosec G101 -- an address

// Auth fetches a token by client when it is first needed, and again when it is about to expire. The
// context of the call that needs it bounds the fetch, as WithTimeout does.
func Auth(client *http.Client, clientID, clientSecret, tokenURL string) trusthub.Auth {
	t := &tokens{
		client: client,
		turn:   make(chan struct{}, 1),
		config: clientcredentials.Config{
			ClientID:     clientID,
			ClientSecret: clientSecret,
			TokenURL:     tokenURL,
			AuthStyle:    oauth2.AuthStyleInParams,
		},
	}
	return trusthub.AuthFunc(func(req *http.Request) error {
		token, err := t.token(req.Context())
		if err != nil {
			return &failure{err}
		}
		token.SetAuthHeader(req)
		return nil
	})
}

// tokens is in place of an oauth2.TokenSource, which knows the context of no call and has all
// callers wait for one request.
type tokens struct {
	client  *http.Client
	config  clientcredentials.Config
	current atomic.Pointer[oauth2.Token]
	turn    chan struct{} // held by who fetches a token, so that others wait for it
}

// patience is how long a caller waits for the token that another one fetches, before it fetches one
// itself.
const patience = time.Second

func (t *tokens) token(ctx context.Context) (*oauth2.Token, error) {
	if token := t.current.Load(); token.Valid() {
		return token, nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-time.After(patience):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if token := t.current.Load(); token.Valid() {
		return token, nil
	}
	token, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return nil, err
	}
	t.current.Store(token)
	return token, nil
}

// failure is why there is no token.
type failure struct{ err error }

// Error leaves out the body of a refusal, which may be logged where secrets may not.
func (f *failure) Error() string {
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](f.err); ok {
		return "no token: " + refusal.Response.Status
	}
	return "no token: " + f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// Retryable tells trusthub that a token server may be well again soon, and that a client that it
// refuses stays refused.
func (f *failure) Retryable() bool {
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](f.err); ok {
		return refusal.Response.StatusCode == http.StatusTooManyRequests || refusal.Response.StatusCode >= 500
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](f.err)
	return !untrusted
}
