package trusthub

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed07fc1495/trusthub/internal/signature"
)

// ErrSignature says that Twilio has not signed a request, as far as can be told. The text around it says what is wrong with the
// request, and nothing of what a right signature would be.
var ErrSignature = errors.New("trusthub: no valid signature of Twilio")

// maxCallbackBytes bounds what is read of a request before it is known who sent it.
const maxCallbackBytes = 1 << 20

// VerifyCallback returns nil if Twilio has signed r, and an [ErrSignature] if not: X-Twilio-Signature is the HMAC-SHA1 of the
// URL and the form parameters, by an auth token of the account. A body that is no form is covered by its bodySHA256 in the query.
//
// The url is the one that Twilio called, byte for byte, with its query and without the fragment that a callback's URL may have.
// Behind a proxy it is not what r says. It is tried with and without its port, because Twilio's signatures are not consistent
// there. A parameter that is repeated counts once with each distinct value, the values being sorted; none is left unsigned.
//
// The tokens are auth tokens of the account that is called for: the one that is in use, and the next one while they are
// rotated. The secret of an API key signs nothing. Blank tokens are ignored, so that an unset variable is not a key that
// anybody can sign with; without another one, nothing is valid.
//
// Up to 1 MiB of the body is read, and r.Body can be read again afterwards, whatever the result. So it comes before all else
// that reads the body, such as r.ParseForm. Nothing in a signature says when it was made: who has got hold of a signed request
// can repeat it.
//
// See https://www.twilio.com/docs/usage/webhooks/webhooks-security.
func VerifyCallback(r *http.Request, url string, authTokens ...string) error {
	_, err := verify(r, url, usable(authTokens))
	return err
}

// verify returns the body of a request that has a valid signature.
func verify(r *http.Request, address string, authTokens []string) ([]byte, error) {
	got := []byte(r.Header.Get(signature.Header))
	switch {
	case len(authTokens) == 0:
		return nil, unsigned("there is no auth token to verify it with")
	case len(got) != signature.Length: // says nothing about the content, and spares the reading of the body
		return nil, unsigned("the header " + signature.Header + " is missing or not a signature")
	}
	body, err := peek(r)
	if err != nil {
		return nil, err
	}
	parameters, err := signature.Parameters(address, body)
	if err != nil {
		return nil, unsigned(err.Error())
	}
	valid := 0
	for _, token := range authTokens {
		for _, variant := range withAndWithoutPort(address) {
			valid |= subtle.ConstantTimeCompare(got, []byte(signature.Of(token, variant, parameters)))
		}
	}
	if valid == 0 {
		return nil, unsigned("the URL, the parameters or the auth token are others than those that were signed")
	}
	return body, nil
}

func unsigned(why string) error { return fmt.Errorf("%w: %s", ErrSignature, why) }

// usable returns the tokens that are not blank.
func usable(authTokens []string) (tokens []string) {
	for _, token := range authTokens {
		if strings.TrimSpace(token) != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// peek reads the body of a request and leaves it to be read again.
func peek(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	rest := r.Body
	body, err := io.ReadAll(io.LimitReader(rest, maxCallbackBytes+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	switch {
	case err != nil:
		return nil, unsigned("the body cannot be read")
	case len(body) > maxCallbackBytes:
		return nil, unsigned("the body is larger than 1 MiB")
	}
	return body, nil
}

// withAndWithoutPort returns an address as it is, and without its port, or with the standard one if it has none.
func withAndWithoutPort(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	switch port := u.Port(); {
	case port != "":
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	case u.Scheme == "https":
		u.Host += ":443"
	default:
		u.Host += ":80"
	}
	return []string{address, u.String()}
}
