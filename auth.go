package trusthub

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// Auth signs requests. Authorize is called before each request is sent, on a request that it may
// change, and from many goroutines at a time. When it fails, nothing is sent, and the call returns
// its error. An error that implements Retryable() bool and returns true is retried first, for
// example when a token server is down. Authorize is called after the request has acquired a slot. A
// pause that begins during a slow Authorize does not hold up its request.
//
// Authorize must return when the context of the request ends. That context has the timeout of the
// attempt, and nothing else ends a slow Authorize. A token source that takes no context, such as
// oauth2.TokenSource, needs an HTTP client with a Timeout: put one into the context that the source
// is made with, under oauth2.HTTPClient.
type Auth interface {
	Authorize(*http.Request) error
}

// AuthFunc is a function as an [Auth], for bearer tokens and the like.
type AuthFunc func(*http.Request) error

// Authorize calls f.
func (f AuthFunc) Authorize(req *http.Request) error { return f(req) }

// BasicAuth signs with HTTP Basic: an Account SID and its auth token, or the SID and the secret of
// an API key. Credentials that cannot work make [NewClient] fail.
//
// See https://www.twilio.com/docs/usage/requests-to-twilio.
func BasicAuth(username, password string) Auth {
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))
	return basicAuth{
		sign: func(req *http.Request) error { req.Header.Set("Authorization", header); return nil },
		err:  checkCredentials(username, password),
	}
}

// basicAuth keeps its secret in a closure, which neither fmt nor reflection can read.
type basicAuth struct {
	sign AuthFunc
	err  error
}

func (a basicAuth) Authorize(req *http.Request) error { return a.sign(req) }

// Format prints no secret, whatever the verb.
func (basicAuth) Format(f fmt.State, _ rune) { fmt.Fprint(f, "trusthub.BasicAuth(…)") }

// checkAuth returns an error for an Auth that cannot work.
func checkAuth(auth Auth) error {
	switch auth := auth.(type) {
	case nil:
		return errors.New("trusthub: no Auth: pass BasicAuth or an AuthFunc")
	case AuthFunc:
		if auth == nil {
			return errors.New("trusthub: the AuthFunc is nil")
		}
	case basicAuth:
		return auth.err
	}
	return nil
}

func checkCredentials(username, password string) error {
	switch {
	case username == "":
		return errors.New("trusthub: the user name is empty: pass an Account SID or the SID of an API key")
	case password == "":
		return errors.New("trusthub: the password is empty: pass an auth token or the secret of an API key")
	case strings.Contains(username, ":"):
		return errors.New("trusthub: the user name holds a colon, which HTTP Basic cannot carry")
	case strings.ContainsFunc(username+password, unicode.IsControl):
		return errors.New("trusthub: the credentials hold a control character, perhaps a line break read from a file")
	}
	return nil
}
