package trusthub

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/seed07fc1495/trusthub/internal/webhook"
)

// SigningKey is a secret that Twilio signs its callbacks with: an [AuthToken] or a [SharedKey]. It
// prints no secret. The zero SigningKey verifies nothing.
type SigningKey webhook.Key

// AuthToken returns the key by which Twilio signs unless it is configured otherwise: the auth token
// of the account that the profile belongs to, a subaccount's own included. The secret of an API key
// signs nothing. A blank token is the zero SigningKey, so that an unset variable is not a key that
// anybody can sign with.
//
// The signature is an HMAC-SHA1. See https://www.twilio.com/docs/usage/webhooks/webhooks-security.
func AuthToken(token string) SigningKey { return SigningKey(webhook.AuthToken(token)) }

// SharedKey returns a key of Twilio's webhook configuration, a public beta in September 2026. A
// request that is signed by it names its id and the algorithm, HMAC_SHA1 or HMAC_SHA256, in the
// header X-Twilio-Webhooks-Signature-Settings. With a blank id or secret, it is the zero
// SigningKey.
//
// See https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys.
func SharedKey(id, secret string) SigningKey { return SigningKey(webhook.SharedKey(id, secret)) }

// Format prints no secret, under any verb.
func (SigningKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "trusthub.SigningKey(…)") }

// ErrSignature means that a request has no valid signature of Twilio. The text around it says what
// is wrong with the request, and nothing about what a valid signature would be.
var ErrSignature = errors.New("trusthub: no valid signature of Twilio")

// VerifyCallback returns nil if Twilio has signed r with one of the keys, and an [ErrSignature] if
// not. The url is the one that Twilio called, byte for byte, with its query and without the
// fragment that the URL of a callback may have. Behind a proxy, that is not what r says; headers
// such as X-Forwarded-Host are not read.
//
// These spellings of the url are tried, and no others, since Twilio's signatures, its documentation
// and its libraries differ there: with and without port, with and without user and password, and
// with and without "/" when the url has no path.
//
// A signature covers the url and the form parameters. A parameter that is repeated counts once with
// each distinct value, sorted. A body that is not a form is covered by its bodySHA256 in the query.
// A GET without a body is covered by its url alone.
//
// There may be 4 keys: those in use, and the next ones while they are rotated. A request with the
// header X-Twilio-Webhooks-Signature-Settings is compared with the [SharedKey] that it names, and
// one without with each [AuthToken].
//
// Up to 64 KiB of the body, and 300 parameters, are read. The body can be read again afterwards,
// whatever the result. If it was read before, only r.ParseForm leaves what VerifyCallback needs. A
// signature does not say when it was made: anybody who has a signed request can repeat it.
func VerifyCallback(r *http.Request, url string, keys ...SigningKey) error {
	if _, err := webhook.Verify(r, url, webhookKeys(keys)); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// webhookKeys returns the keys that are not blank.
func webhookKeys(keys []SigningKey) (usable []webhook.Key) {
	for _, key := range keys {
		if key := webhook.Key(key); !key.IsZero() {
			usable = append(usable, key)
		}
	}
	return usable
}
