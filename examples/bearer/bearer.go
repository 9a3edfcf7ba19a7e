// Package bearer signs requests with an OAuth 2.0 access token in place of HTTP Basic.
package bearer

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/seed07fc1495/trusthub"
)

// TokenURL is where Twilio issues tokens: https://www.twilio.com/docs/iam/oauth-apps/oauth-access-token.
const TokenURL = "https://oauth.twilio.com/v2/token" // #nosec G101 -- an address

// Auth fetches a token when it is first needed, and again when it is about to expire. ctx bounds the token requests for
// as long as the Auth is used, and may carry an http.Client for them.
func Auth(ctx context.Context, clientID, clientSecret, tokenURL string) trusthub.Auth {
	config := clientcredentials.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		TokenURL:     tokenURL,
		AuthStyle:    oauth2.AuthStyleInParams,
	}
	tokens := config.TokenSource(ctx)
	return trusthub.AuthFunc(func(req *http.Request) error {
		token, err := tokens.Token()
		if err != nil {
			return err
		}
		token.SetAuthHeader(req)
		return nil
	})
}
