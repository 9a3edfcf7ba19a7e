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

// AuthToken returns the key that Twilio signs with by default: the auth token of the account that
// the profile belongs to. The profile of a subaccount needs the subaccount's token. The secret of
// an API key signs nothing. A blank token gives the zero SigningKey, so that an unset variable is
// not a key that everybody knows.
//
// The signature is an HMAC-SHA1. See https://www.twilio.com/docs/usage/webhooks/webhooks-security.
func AuthToken(token string) SigningKey { return SigningKey(webhook.AuthToken(token)) }

// SharedKey returns a key of Twilio's webhook configuration, a public beta in September 2026. The
// header X-Twilio-Webhooks-Signature-Settings of a request that it signed has its id and the
// algorithm, HMAC_SHA1 or HMAC_SHA256. A blank id or secret gives the zero SigningKey.
//
// See https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys.
func SharedKey(id, secret string) SigningKey { return SigningKey(webhook.SharedKey(id, secret)) }

// Format prints no secret, under any verb.
func (SigningKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "trusthub.SigningKey(…)") }

// ErrSignature means that a request has no valid signature of Twilio. The text of the error says
// what is wrong with the request. It never has the valid signature.
var ErrSignature = errors.New("trusthub: no valid signature of Twilio")

// VerifyCallback returns nil if Twilio has signed r with one of the keys, and an [ErrSignature] if
// not. The url is the one that Twilio called, byte for byte, with its query and without a fragment.
// Behind a proxy, r has another URL; headers such as X-Forwarded-Host are not read.
//
// A few spellings of the url are tried, because Twilio's signatures, documentation and libraries
// differ: with and without the port, without user and password, and with and without "/" when the
// url has no path.
//
// A signature covers the url and the form parameters. A repeated parameter counts once for each
// distinct value, in sorted order. A body that is not a form is covered by its hash, bodySHA256 in
// the query. The signature of a GET without a body covers its url only.
//
// There may be at most 4 keys: those in use, and the next ones during a rotation. A request with
// the header X-Twilio-Webhooks-Signature-Settings is compared with the [SharedKey] whose id it has,
// and a request without it with each [AuthToken].
//
// At most 64 KiB of the body and 300 parameters are read. The body can be read again afterwards,
// whatever the result. If it was read before, VerifyCallback can use the form that r.ParseForm has
// left, and nothing else. A signature has no time: anybody who has a signed request can send it
// again.
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
