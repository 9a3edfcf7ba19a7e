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

// TokenURL is the token endpoint of Twilio:
// https://www.twilio.com/docs/iam/oauth-apps/oauth-access-token.
const TokenURL = "https://oauth.twilio.com/v2/token" // #nosec G101 -- an address

// Auth returns an Auth that fetches a token with client for the first request, and again shortly
// before the token expires. The context of the request limits the fetch, and so does WithTimeout.
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

// tokens replaces an oauth2.TokenSource. A TokenSource takes no context, and all callers wait for
// the same request.
type tokens struct {
	client  *http.Client
	config  clientcredentials.Config
	current atomic.Pointer[oauth2.Token]
	turn    chan struct{} // full while a caller fetches a token
}

// maxWait is how long a caller waits for another caller's token before it fetches one itself.
const maxWait = time.Second

func (t *tokens) token(ctx context.Context) (*oauth2.Token, error) {
	if token := t.current.Load(); token.Valid() {
		return token, nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-time.After(maxWait):
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

// failure is the error of a token request.
type failure struct{ err error }

// Error omits the body of a rejected token request, because it may contain secrets.
func (f *failure) Error() string {
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](f.err); ok {
		return "no token: " + refusal.Response.Status
	}
	return "no token: " + f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// Retryable returns true for errors that are probably temporary. It returns false when the token
// server rejects the client.
func (f *failure) Retryable() bool {
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](f.err); ok {
		return refusal.Response.StatusCode == http.StatusTooManyRequests || refusal.Response.StatusCode >= 500
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](f.err)
	return !untrusted
}
