package callbacks_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

var authKey = trusthub.AuthToken(authToken)

const (
	authToken  = trusthubtest.Password
	otherToken = "fedcba9876543210fedcba9876543210"
	hookURL    = "https://app.example.com/trusthub"
)

// Published signatures of Twilio are valid. The first is from
// https://www.twilio.com/docs/usage/webhooks/webhooks-security, the others are from the tests of
// its libraries (https://github.com/twilio/twilio-go/blob/main/client/request_validator_test.go).
func TestVerifyCallbackWithPublishedSignatures(t *testing.T) {
	const url = "https://example.com/myapp.php?foo=1&bar=2"
	const company = "https://mycompany.com/myapp.php?foo=1&bar=2"
	const form = "Digits=1234&To=%2B18005551212&From=%2B14158675310&Caller=%2B14158675310&CallSid=CA1234567890ABCDE"
	const conference = "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309&ReasonConferenceEnded=test&Reason=Participant"
	const hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
	const document = `{"property": "value", "boolean": true}`
	for name, test := range map[string]struct{ url, body, signature string }{
		"documented":                   {url, form, "L/OH5YylLD5NRKLltdqwSvS0BnU="},
		"one name begins with another": {company, conference, "vOEb5UThFn24KEfnOFLQY2AE5FY="},
		"JSON":                         {company + "&bodySHA256=" + hash, document, "a9nBmqA0ju/hNViExpshrM61xv4="},
		"JSON and nothing else":        {"https://mycompany.com/myapp.php?bodySHA256=" + hash, document, "y77kIzt2vzLz71DgmJGsen2scGs="},
	} {
		r := httptest.NewRequest(http.MethodPost, test.url, strings.NewReader(test.body))
		r.Header.Set("X-Twilio-Signature", test.signature)
		if err := trusthub.VerifyCallback(r, test.url, trusthub.AuthToken("12345")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := trusthub.VerifyCallback(r, test.url, trusthub.AuthToken("12346")); !errors.Is(err, trusthub.ErrSignature) {
			t.Errorf("%s, with another token: %v", name, err)
		}
	}
}

// A signed request is valid, and its body can be read again.
func TestVerifyCallbackAcceptsSignedRequests(t *testing.T) {
	for name, test := range map[string]struct{ url, body string }{
		"form":              {hookURL, "Sid=" + sid + "&Status=draft"},
		"empty body":        {hookURL, ""},
		"empty values":      {hookURL, "A=&B&=C"},
		"repeated values":   {hookURL, "A=2&A=1&A=2"},
		"UTF-8":             {hookURL, "Name=J%C3%BCrgen&Mark=é☃"},
		"not UTF-8":         {hookURL, "A=%ff"},
		"plus and %20":      {hookURL, "A=a+b%20c%2B"},
		"query":             {hookURL + "?b=2&a=1", "A=1"},
		"query, no values":  {hookURL + "?b&a=", "A=1"},
		"question mark":     {hookURL + "?", "A=1"},
		"escaped path":      {hookURL + "/a%2Fb%20c", "A=1"},
		"port":              {"https://app.example.com:8443/", "A=1"},
		"standard port":     {"https://app.example.com:443/", "A=1"},
		"plain":             {"http://app.example.com/", "A=1"},
		"body of 64 KiB":    {hookURL, strings.Repeat("a", 64<<10)},
		"300 parameters":    {hookURL, strings.Repeat("a=1&", 299) + "b"},
		"hash of some JSON": {hookURL + "?bodySHA256=" + hashOf(`{"a":1}`), `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := signed(http.MethodPost, test.url, test.body)
			for range 2 {
				if err := trusthub.VerifyCallback(r, test.url, authKey); err != nil {
					t.Fatal(err)
				}
			}
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.body {
				t.Errorf("%d bytes are left of %d, %v", len(body), len(test.body), err)
			}
		})
	}
}

// Distinct values of a repeated parameter are signed once each, in order. No value can be added or
// removed.
func TestVerifyCallbackOfRepeatedParameters(t *testing.T) {
	for text, valid := range map[string]bool{"A1A10A2B": true, "A2A10A1A2B": false, "A1A10A2A2B": false, "A2B": false, "BA1A10A2": false, "A1A2A10B": false} {
		err := trusthub.VerifyCallback(forge(authToken, hookURL+text, "B=&A=2&A=10&A=1&A=2"), hookURL, authKey)
		if (err == nil) != valid {
			t.Errorf("signed %s: %v", text, err)
		}
	}
}

// Twilio signs some URLs without a port, and others with the default port. The known URL may differ
// in this.
func TestVerifyCallbackTriesPorts(t *testing.T) {
	for _, test := range []struct {
		signed, url string
		valid       bool
	}{
		{"https://h.example:443/a?b", "https://h.example/a?b", true},
		{"https://h.example/a?b", "https://h.example:443/a?b", true},
		{"http://h.example:80/a", "http://h.example/a", true},
		{"http://h.example/a", "http://h.example:80/a", true},
		{"https://h.example/a", "https://h.example:8443/a", true},
		{"https://u:p@h.example:443/a", "https://u:p@h.example/a", true},
		{"https://[2001:db8::1]/a", "https://[2001:db8::1]:443/a", true},
		{"https://h.example:80/a", "https://h.example/a", false},
		{"https://h.example:8443/a", "https://h.example/a", false},
		{"https://h.example:8443/a", "https://h.example:443/a", false},
		{"http://h.example/a", "https://h.example/a", false},
	} {
		err := trusthub.VerifyCallback(signed(http.MethodPost, test.signed, "A=1"), test.url, authKey)
		if (err == nil) != test.valid {
			t.Errorf("signed for %s, called at %s: %v", test.signed, test.url, err)
		}
	}
}

// Every change of a signed request makes it invalid.
func TestVerifyCallbackRejects(t *testing.T) {
	const form = "A=1&B=2&B=3"
	document := `{"sid":"` + sid + `"}`
	documentURL := hookURL + "?bodySHA256=" + hashOf(document)
	for name, test := range map[string]struct {
		url, body string // of the received request
		signature func(string) string
	}{
		"another host":            {"https://other.example.com/trusthub", form, nil},
		"another path":            {hookURL + "/", form, nil},
		"an additional query":     {hookURL + "?a", form, nil},
		"another value":           {hookURL, "A=2&B=2&B=3", nil},
		"another name":            {hookURL, "C=1&B=2&B=3", nil},
		"a value more":            {hookURL, form + "&A=2", nil},
		"a repeated value more":   {hookURL, form + "&B=4", nil},
		"a value less":            {hookURL, "A=1&B=2", nil},
		"no body":                 {hookURL, "", nil},
		"another document":        {documentURL, document + " ", nil},
		"a document without hash": {hookURL, document, nil},
		"a broken form":           {hookURL, form + "&%zz", nil},
		"a semicolon":             {hookURL, form + ";", nil},
		"a malformed URL":         {"https://app.example.com/%zz", form, nil},
		"too long a body":         {hookURL, form + "&A=" + strings.Repeat("1", 64<<10), nil},
		"too many parameters":     {hookURL, strings.Repeat("A=1&", 300) + form, nil},
		"too long a URL":          {hookURL + "?" + strings.Repeat("a", 16<<10), form, nil},
		"no signature":            {hookURL, form, func(string) string { return "" }},
		"its beginning":           {hookURL, form, func(s string) string { return s[:len(s)-1] }},
		"in upper case":           {hookURL, form, strings.ToUpper},
		"with a space":            {hookURL, form, func(s string) string { return s + " " }},
		"with other padding":      {hookURL, form, func(s string) string { return strings.Replace(s, "=", "A", 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			original := signed(http.MethodPost, hookURL, form)
			if test.url == documentURL {
				original = signed(http.MethodPost, documentURL, document)
			}
			value := original.Header.Get("X-Twilio-Signature")
			if test.signature != nil {
				value = test.signature(value)
			}
			r := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader(test.body))
			r.Header.Set("X-Twilio-Signature", value)
			err := trusthub.VerifyCallback(r, test.url, authKey)
			if !errors.Is(err, trusthub.ErrSignature) {
				t.Fatalf("got %v", err)
			}
			right := signed(http.MethodPost, hookURL, form).Header.Get("X-Twilio-Signature")
			if text := err.Error(); strings.Contains(text, right) || strings.Contains(text, authToken) || strings.Contains(text, "example") || len(text) > 200 {
				t.Errorf("the error contains %q", text)
			}
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.body {
				t.Errorf("%d bytes are left of %d, %v", len(body), len(test.body), err)
			}
		})
	}
}

// An empty token is not a key. It may come from an unset variable, and every party could sign with
// it.
func TestVerifyCallbackIgnoresBlankTokens(t *testing.T) {
	for _, blank := range []string{"", " ", "\n"} {
		forged := forge(blank, hookURL, "")
		zero, token, shared := trusthub.SigningKey{}, trusthub.AuthToken(blank), trusthub.SharedKey(blank, authToken)
		for i, keys := range [][]trusthub.SigningKey{nil, {zero}, {token}, {token, token}, {shared}, {trusthub.SharedKey("id", blank)}, {token, authKey}} {
			if err := trusthub.VerifyCallback(forged, hookURL, keys...); !errors.Is(err, trusthub.ErrSignature) {
				t.Errorf("%q, keys %d: %v", blank, i, err)
			}
		}
		if err := trusthub.VerifyCallback(signed(http.MethodPost, hookURL, "A=1"), hookURL, shared); !errors.Is(err, trusthub.ErrSignature) {
			t.Errorf("a SharedKey with the id %q is an auth token: %v", blank, err)
		}
	}
	if err := trusthub.VerifyCallback(signed(http.MethodPost, hookURL, "A=1"), hookURL, trusthub.AuthToken(""), authKey); err != nil {
		t.Error(err)
	}
}

// During a rotation, the old and the new token are valid.
func TestVerifyCallbackWithSeveralTokens(t *testing.T) {
	other := trusthub.AuthToken(otherToken)
	for i, keys := range [][]trusthub.SigningKey{{authKey, other}, {other, authKey}, {other, other, other, authKey, {}}} {
		if err := trusthub.VerifyCallback(signed(http.MethodPost, hookURL, "A=1"), hookURL, keys...); err != nil {
			t.Errorf("keys %d: %v", i, err)
		}
	}
	if err := trusthub.VerifyCallback(signed(http.MethodPost, hookURL, "A=1"), hookURL, authKey, authKey, authKey, authKey, authKey); !errors.Is(err, trusthub.ErrSignature) {
		t.Errorf("five keys: %v", err)
	}
}

// The body of an invalid request is not read. Of any other, at most the limit is read.
func TestVerifyCallbackReadsUpToTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		signature string
		most      int
	}{
		"no signature":    {"", 0},
		"some signature":  {strings.Repeat("A", 27) + "=", 64<<10 + 1},
		"a long one":      {strings.Repeat("A", 1<<10), 0},
		"of another kind": {"v1=" + strings.Repeat("A", 20), 0},
	} {
		body := &counting{}
		r := httptest.NewRequest(http.MethodPost, hookURL, body)
		r.Header.Set("X-Twilio-Signature", test.signature)
		if err := trusthub.VerifyCallback(r, hookURL, authKey); !errors.Is(err, trusthub.ErrSignature) || body.n > test.most {
			t.Errorf("%s: got %v after %d bytes", name, err, body.n)
		}
	}
}

func TestVerifyCallbackOfBrokenBody(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("A=1"), iotest.ErrReader(errors.New("gone")))
	r := httptest.NewRequest(http.MethodPost, hookURL, broken)
	r.Header = signed(http.MethodPost, hookURL, "A=1").Header
	if err := trusthub.VerifyCallback(r, hookURL, authKey); !errors.Is(err, trusthub.ErrSignature) {
		t.Errorf("got %v", err)
	}
	if body, err := io.ReadAll(r.Body); string(body) != "A=1" || err == nil || err.Error() != "gone" {
		t.Errorf("%q is left, then %v", body, err)
	}
	r = signed(http.MethodGet, hookURL, "")
	r.Body = nil // as in a request that was made by a test
	if err := trusthub.VerifyCallback(r, hookURL, authKey); err != nil {
		t.Error(err)
	}
}

// signed returns a request to url as a server receives it, signed by the fake.
func signed(method, url, body string) *http.Request {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	trusthubtest.SignCallback(r, url)
	return r
}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// counting is an endless body that counts the bytes read.
type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	c.n += len(p)
	return copy(p, bytes.Repeat([]byte("a"), len(p))), nil
}

// forge returns a request to hookURL with a signature of any text, made as Twilio documents it.
func forge(key, text, body string) *http.Request {
	mac := hmac.New(sha1.New, []byte(key))
	_, _ = io.WriteString(mac, text)
	r := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader(body))
	r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}
