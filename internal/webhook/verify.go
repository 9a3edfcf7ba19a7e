package webhook

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds what is read of a request before it is known who sent it.
const maxBody = 1 << 20

// Verify returns the body of a request that is signed by one of the tokens, which can be read again. The error says what is wrong,
// and quotes nothing.
func Verify(r *http.Request, address string, authTokens []string) ([]byte, error) {
	got := []byte(r.Header.Get(Header))
	switch {
	case len(authTokens) == 0:
		return nil, errors.New("there is no auth token to verify it with")
	case len(got) != Length: // says nothing about the content, and spares the reading of the body
		return nil, errors.New("the header " + Header + " is missing or not a signature")
	}
	body, err := peek(r)
	if err != nil {
		return nil, err
	}
	parameters, err := Parameters(address, body)
	if err != nil {
		return nil, err
	}
	valid := 0
	for _, token := range authTokens {
		for _, variant := range withAndWithoutPort(address) {
			valid |= subtle.ConstantTimeCompare(got, []byte(Sign(token, variant, parameters)))
		}
	}
	if valid == 0 {
		return nil, errors.New("the URL, the parameters or the auth token are others than those that were signed")
	}
	return body, nil
}

// NotBlank returns the tokens that are not blank.
func NotBlank(authTokens []string) (tokens []string) {
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
	body, err := io.ReadAll(io.LimitReader(rest, maxBody+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	switch {
	case err != nil:
		return nil, errors.New("the body cannot be read")
	case len(body) > maxBody:
		return nil, errors.New("the body is larger than 1 MiB")
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
