// Package webhook reads the requests that Twilio makes: how they are signed, their parameters, and
// the profile that they are about. Package trusthub verifies with it, and trusthubtest signs with
// it.
//
// See https://www.twilio.com/docs/usage/webhooks/webhooks-security and
// https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys.
package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- what Twilio signs with; HMAC does not depend on what SHA-1 has lost
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"maps"
	"net/url"
	"slices"
	"strings"
)

const (
	// SignatureHeader holds the signature of a request.
	SignatureHeader = "X-Twilio-Signature"
	// SettingsHeader holds the id of the SharedKey and the [Algorithm] of the signature. Without it,
	// an auth token has signed, by SHA1.
	SettingsHeader = "X-Twilio-Webhooks-Signature-Settings"
)

// Algorithm is how a signature is made, as SettingsHeader spells it.
type Algorithm string

// The algorithms that Twilio documents.
const (
	SHA1   Algorithm = "HMAC_SHA1"
	SHA256 Algorithm = "HMAC_SHA256"
)

// hash returns nil for an unknown algorithm.
func (a Algorithm) hash() func() hash.Hash {
	switch a {
	case SHA1:
		return sha1.New
	case SHA256:
		return sha256.New
	}
	return nil
}

// length is the length of every signature by the algorithm, in base64.
func (a Algorithm) length() int {
	if a == SHA1 {
		return base64.StdEncoding.EncodedLen(sha1.Size)
	}
	return base64.StdEncoding.EncodedLen(sha256.Size)
}

// Key is a secret that Twilio signs with. The zero Key signs and verifies nothing.
type Key struct {
	id string // of a SharedKey; "" for an auth token
	// a closure, which neither fmt nor reflection can read; nil: no secret
	mac func(func() hash.Hash) hash.Hash
}

// AuthToken returns the key for the auth token of an account; the zero Key for a blank token.
func AuthToken(token string) Key { return newKey("", token) }

// SharedKey returns the key for a SharedKey of Twilio's webhook configuration; the zero Key if id
// or secret are blank.
func SharedKey(id, secret string) Key {
	if isBlank(id) {
		return Key{}
	}
	return newKey(id, secret)
}

func newKey(id, secret string) Key {
	if isBlank(secret) {
		return Key{}
	}
	return Key{id, func(algorithm func() hash.Hash) hash.Hash { return hmac.New(algorithm, []byte(secret)) }}
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

// ID returns the id of a SharedKey, or "" for an auth token.
func (k Key) ID() string { return k.id }

// IsZero reports whether the key has no secret.
func (k Key) IsZero() bool { return k.mac == nil }

// Sign returns the signature of a URL and the [Text] of the parameters. It returns "" if the key or
// the algorithm cannot sign.
func (k Key) Sign(algorithm Algorithm, address string, parameters []byte) string {
	newHash := algorithm.hash()
	if k.IsZero() || newHash == nil {
		return ""
	}
	mac := k.mac(newHash)
	_, _ = mac.Write([]byte(address)) // cannot fail
	_, _ = mac.Write(parameters)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Settings returns the value of SettingsHeader for a signature by a SharedKey.
func (k Key) Settings(algorithm Algorithm) string {
	return "key=" + k.id + ",algorithm=" + string(algorithm)
}

// Text returns the parameters in the form that is signed: sorted by name and value, each distinct
// value once, like Twilio's Node library (https://github.com/twilio/twilio-node/pull/723).
func Text(parameters url.Values) []byte {
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(parameters[name]))) {
			text.WriteString(name)
			text.WriteString(value)
		}
	}
	return text.Bytes()
}
