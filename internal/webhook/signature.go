// Package webhook has what is known of the requests that Twilio makes: how they are signed, for trusthub to verify and trusthubtest to sign, and
// which profile they are about.
//
// See https://www.twilio.com/docs/usage/webhooks/webhooks-security.
package webhook

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- what Twilio signs with; HMAC does not depend on what SHA-1 has lost
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/url"
	"slices"
)

// Header holds the signature of a request.
const Header = "X-Twilio-Signature"

// Length is how long every signature is.
const Length = 28

// Parameters returns what the signature of a request covers besides its URL: the parameters of a form, or none when the URL
// has the SHA-256 of the body, which must be right. The errors quote nothing.
func Parameters(address string, body []byte) (url.Values, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the URL is malformed")
	}
	if want := u.Query().Get("bodySHA256"); want != "" {
		sum := sha256.Sum256(body)
		if hex.EncodeToString(sum[:]) != want {
			return nil, errors.New("the body is not the one with the bodySHA256 of the URL")
		}
		return nil, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the body is not a form, and the URL has no bodySHA256")
	}
	return form, nil
}

// Sign returns the signature of a request: by names, then values, each distinct one once, as Twilio's Node library has it
// (https://github.com/twilio/twilio-node/pull/723).
func Sign(authToken, address string, parameters url.Values) string {
	mac := hmac.New(sha1.New, []byte(authToken))
	_, _ = io.WriteString(mac, address) // which cannot fail
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(parameters[name]))) {
			_, _ = io.WriteString(mac, name+value)
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
