package official

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/twilio/twilio-go/client"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// The tests leave out the cases in which the libraries differ. TestDifferences has these.

// Twilio's library and this one agree on thousands of signed requests, unchanged or changed in one
// place.
func TestSignaturesAgree(t *testing.T) {
	const rounds = 5000
	valid := 0
	for seed := range uint64(rounds) {
		random := rand.New(rand.NewPCG(seed, 15))
		address, body := randomURL(random), randomForm(random)
		if random.IntN(4) == 0 {
			body = `{"name": "` + randomText(random) + `1"}`
			address = withHash(address, body)
		}
		signature := sign(address, body)
		if !agree(t, address, body, signature) {
			t.Errorf("rejected a signed request: %q, %q", address, body)
		}
		if address, body, signature = change(random, address, body, signature); agree(t, address, body, signature) {
			valid++
		}
	}
	if valid < rounds/10 || valid > rounds*9/10 {
		t.Errorf("%d of %d changed requests are valid, want 10%% to 90%%", valid, rounds)
	}
}

// The example of Twilio's documentation is valid:
// https://www.twilio.com/docs/usage/webhooks/webhooks-security.
func TestPublishedSignature(t *testing.T) {
	const address = "https://example.com/myapp.php?foo=1&bar=2"
	const body = "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212"
	const signature = "L/OH5YylLD5NRKLltdqwSvS0BnU="
	r := request(body)
	r.Header.Set("X-Twilio-Signature", signature)
	official := client.NewRequestValidator("12345")
	if err := trusthub.VerifyCallback(r, address, trusthub.AuthToken("12345")); err != nil || !official.ValidateBody(address, []byte(body), signature) {
		t.Errorf("got %v", err)
	}
}

func FuzzSignaturesAgree(f *testing.F) {
	f.Add("https://app.example.com/trusthub", "https://app.example.com:443/trusthub", "Sid=BU1&A=", "Sid=BU1&A=")
	f.Add("http://app.example.com/?b=2&a", "http://app.example.com/?b=2&a", "a=%20+&b", "b&a=++")
	f.Add("https://a/?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "https://a/", "{}", "{} ")
	f.Fuzz(func(t *testing.T, signedFor, calledAt, signed, called string) {
		if repeats(signed) || repeats(called) || !isPlain(signedFor) || !isPlain(calledAt) || !signable(signedFor, signed) || !signable("https://h", called) {
			t.Skip()
		}
		signature := sign(signedFor, signed)
		if !agree(t, signedFor, signed, signature) {
			t.Errorf("rejected a signed request: %q, %q", signedFor, signed)
		}
		agree(t, calledAt, called, signature)
		agree(t, calledAt, signed, signature)
		agree(t, signedFor, called, signature)
	})
}

// agree validates a request with both libraries and returns our result.
func agree(t *testing.T, address, body, signature string) bool {
	t.Helper()
	r := request(body)
	r.Header.Set("X-Twilio-Signature", signature)
	err := trusthub.VerifyCallback(r, address, trusthub.AuthToken(trusthubtest.Password))
	official := client.NewRequestValidator(trusthubtest.Password)
	if theirs := official.ValidateBody(address, []byte(body), signature); theirs != (err == nil) {
		t.Errorf("signature %s of %q with body %q: twilio-go %v, trusthub %v", signature, address, body, theirs, err)
	}
	return err == nil
}

func sign(address, body string) string {
	r := request(body)
	trusthubtest.SignCallback(r, address)
	return r.Header.Get("X-Twilio-Signature")
}

func request(body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
}

// change makes one change that may come from a proxy, a mistake or an attack.
func change(random *rand.Rand, address, body, signature string) (changedAddress, changedBody, changedSignature string) {
	const host = "app.example.com"
	switch random.IntN(11) {
	case 0:
		address = strings.Replace(address, host+":443", host, 1)
	case 1:
		address = strings.Replace(address, host+"/", host+":443/", 1)
	case 2:
		address = strings.Replace(address, "https:", "http:", 1)
	case 3:
		address = strings.Replace(address, "%20", "+", 1)
	case 4:
		address = strings.Replace(address, "?", "/?", 1)
	case 5:
		address += "#rc=2"
	case 6:
		body = strings.ReplaceAll(body, "%20", "+") // same decoded form
	case 7:
		body += "&zz=1"
	case 8:
		body = strings.Replace(body, "1", "2", 1)
	case 9:
		body = ""
	case 10:
		signature = strings.ToLower(signature)
	}
	return address, body, signature
}

func randomURL(random *rand.Rand) string {
	address := pick(random, "https", "http") + "://app.example.com" + pick(random, "", ":443", ":80", ":8443") + "/"
	for range random.IntN(3) {
		address += url.PathEscape(randomText(random)) + "/"
	}
	separator := "?"
	for i := range random.IntN(4) {
		address += separator + pick(random, "b", "a", "") + fmt.Sprint(i) + pick(random, "", "=", "=1%20", "=+", "=%C3%BC")
		separator = "&"
	}
	return address
}

// randomForm returns a form in which each name occurs once.
func randomForm(random *rand.Rand) string {
	var pairs []string
	for i := range random.IntN(8) {
		name := url.QueryEscape(pick(random, "Sid", "sid", "a", "A", "_", "ü", randomText(random))) + fmt.Sprint(i)
		value := url.QueryEscape(randomText(random))
		pairs = append(pairs, name+pick(random, "="+value, "="+strings.ReplaceAll(value, "+", "%20"), "=", ""))
	}
	random.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	return strings.Join(pairs, "&")
}

func randomText(random *rand.Rand) string {
	var text strings.Builder
	for range random.IntN(6) {
		text.WriteString(pick(random, "a", "Z", "1", " ", "+", "%", "&", "=", "/", "?", "é", "☃", "\xff", "\n", "😀"))
	}
	return text.String()
}

func pick(random *rand.Rand, of ...string) string { return of[random.IntN(len(of))] }

func withHash(address, body string) string {
	sum := sha256.Sum256([]byte(body))
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + "bodySHA256=" + hex.EncodeToString(sum[:])
}

// repeats reports whether a form has a name more than once.
func repeats(form string) bool {
	values, _ := url.ParseQuery(form)
	for _, of := range values {
		if len(of) > 1 {
			return true
		}
	}
	return false
}

// isPlain reports whether Go does not change the address when it encodes it. The address must have
// a path, no user info, no IPv6 address and at most one bodySHA256.
func isPlain(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.String() == address && u.User == nil && u.Path != "" && u.Host != "" && strings.Count(u.Host, ":") < 2 && len(u.Query()["bodySHA256"]) < 2
}

// signable reports whether SignCallback can sign a request.
func signable(address, body string) (can bool) {
	defer func() { can = recover() == nil }()
	sign(address, body)
	return true
}
