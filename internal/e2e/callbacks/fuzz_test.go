package callbacks_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// A request without a valid signature causes no fetch. A signed request fetches at most one SID,
// which is well-formed.
func FuzzCallbackHandler(f *testing.F) {
	f.Add("POST", "/"+sid, "Sid="+sid, "A")
	f.Add("GET", "/?Sid="+sid+"&Sid="+otherSID, "", "")
	f.Add("POST", "//a%2Fb?bodySHA256=00", `{"sid":"`+sid+`"}`, strings.Repeat("A", 27)+"=")
	f.Fuzz(func(t *testing.T, method, target, body, signature string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip()
		}
		app := newApp(t)
		r := &http.Request{Method: method, URL: u, Header: http.Header{"X-Twilio-Signature": {signature}}, Body: io.NopCloser(strings.NewReader(body))}
		if status := app.call(r); status != http.StatusForbidden && status != http.StatusMethodNotAllowed || len(app.fetched()) > 0 {
			t.Fatalf("unsigned: status %d, fetched %v", status, app.fetched())
		}
		func() {
			defer func() { _ = recover() }() // SignCallback panics for some requests
			trusthubtest.SignCallback(r, publicURL+target)
		}()
		status, fetched := app.call(r), app.fetched()
		if len(fetched) > 1 || status == http.StatusNoContent && len(fetched) == 0 || len(fetched) == 1 && status != http.StatusNoContent && status != http.StatusForbidden {
			t.Errorf("signed: status %d, fetched %v", status, fetched)
		}
	})
}

// Verification accepts only requests with a valid signature. The fuzzer signs one request and
// verifies another one, which may differ in every part. It is accepted only if the text to sign,
// key and algorithm are the same.
func FuzzVerifyCallback(f *testing.F) {
	const shared = "key=" + sharedKeyID + ",algorithm=HMAC_SHA256"
	f.Add(byte(0), "POST", hookURL, "Sid=1", "POST", hookURL, "Sid=1", "", "")
	f.Add(byte(1), "GET", "https://u:p@h?Sid=1", "", "GET", "https://h:443/?Sid=1", "", shared, "")
	f.Add(byte(2), "POST", "https://h/", "A=BC", "POST", "https://h", "AB=C", shared, "")
	f.Add(byte(3), "GET", "https://h/?bodySHA256=00&bodySHA256=00", "", "POST", "https://h/?bodySHA256=00&bodySHA256=00", "A", shared, "")
	f.Add(byte(0), "POST", "http://[::1]:80/a'b?c=%zz", "A=1&A=2&A=1", "POST", "http://[::1]/a'b?c=%zz", "A=2&A=1", "", "A=1")
	f.Fuzz(func(t *testing.T, key byte, signedMethod, signedFor, signedBody, method, called, body, settings, postForm string) {
		ids := []string{"", sharedKeyID, "other", ""}
		keys := []trusthub.SigningKey{authKey, trusthub.SharedKey(ids[1], sharedSecret), trusthub.SharedKey(ids[2], "b"), trusthub.AuthToken("c")}
		signer, id, algorithm := keys[key%4], ids[key%4], []string{"HMAC_SHA256", "HMAC_SHA1"}[key/4%2]
		original := &http.Request{Method: signedMethod, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(signedBody))}
		original.Header.Set(settingsHeader, "key=?,algorithm="+algorithm)
		if !canSign(original, signedFor, signer) {
			t.Skip()
		}
		texts, ok := signedTexts(signedMethod, signedFor, signedBody, nil)
		if !ok || texts[0] == "" {
			t.Fatalf("signed what has no text: %s %q %q", signedMethod, signedFor, signedBody)
		}
		if err := trusthub.VerifyCallback(original, signedFor, signer); err != nil {
			t.Fatalf("rejected a signed request: %s %q %q: %v", signedMethod, signedFor, signedBody, err)
		}

		r := &http.Request{Method: method, Header: original.Header.Clone(), Body: io.NopCloser(strings.NewReader(body))}
		if settings != "" {
			r.Header.Set(settingsHeader, settings)
		}
		r.PostForm, _ = url.ParseQuery(postForm)
		if trusthub.VerifyCallback(r, called, keys...) == nil {
			accepted, ok := signedTexts(method, called, body, r.PostForm)
			if !ok || !slices.Contains(accepted, texts[0]) {
				t.Fatalf("%s %q %q passes for %s %q %q", method, called, body, signedMethod, signedFor, signedBody)
			}
			if named := r.Header.Get(settingsHeader); (named == "") != (id == "") || !strings.Contains(named, id) {
				t.Fatalf("the key is %q, and the header says %q", id, named)
			}
		}
		for _, stranger := range []trusthub.SigningKey{trusthub.AuthToken("x"), trusthub.SharedKey(sharedKeyID, "x"), trusthub.SharedKey("x", sharedSecret+"x"), {}} {
			if trusthub.VerifyCallback(original, signedFor, stranger) == nil {
				t.Fatal("accepted by a key that has not signed")
			}
		}
	})
}

func canSign(r *http.Request, url string, key trusthub.SigningKey) (can bool) {
	defer func() { can = recover() == nil }()
	trusthubtest.SignCallbackWith(r, url, key)
	return true
}

// signedTexts returns the texts that a signature of a request may cover. It does not use the tested
// code. The first text is for the unchanged URL.
func signedTexts(method, called, body string, postForm url.Values) (texts []string, ok bool) {
	var form url.Values
	query := called[strings.IndexAny(called+"?", "?#"):]
	query, _, _ = strings.Cut(strings.TrimPrefix(query, "?"), "#")
	inQuery, _ := url.ParseQuery(query)
	hash := strings.Join(slices.Compact(slices.DeleteFunc(inQuery["bodySHA256"], func(s string) bool { return s == "" })), " ")
	switch {
	case method == "GET" && body == "":
	case hash != "" && hash != hashOf(body):
		return nil, false
	case hash != "":
	case body == "":
		form = postForm
	default:
		var err error
		if form, err = url.ParseQuery(body); err != nil {
			return nil, false
		}
	}
	var parameters []string
	for name, values := range form {
		for _, value := range values {
			parameters = append(parameters, name+"\x00"+value)
		}
	}
	slices.Sort(parameters) // no separator in names: no other order is possible
	signed := strings.ReplaceAll(strings.Join(slices.Compact(parameters), ""), "\x00", "")
	scheme, rest, _ := strings.Cut(called, "://")
	end := strings.IndexAny(rest+"/", "/?#")
	host, rest := rest[:end], rest[end:]
	user := host[:strings.LastIndex(host, "@")+1]
	host = host[len(user):]
	for _, u := range []string{user, ""} {
		for _, h := range []string{host, withoutPort(host), withoutPort(host) + ":443", withoutPort(host) + ":80"} {
			for _, p := range []string{rest, "/" + rest, strings.TrimPrefix(rest, "/")} {
				if !strings.HasPrefix(p, "//") || p == rest {
					texts = append(texts, fmt.Sprint(scheme, "://", u, h, p, signed))
				}
			}
		}
	}
	return texts, true
}

func withoutPort(host string) string {
	if i := strings.LastIndex(host, ":"); i > strings.LastIndex(host, "]") {
		return host[:i]
	}
	return host
}

// The slowest POST without a valid signature, with the maximum of keys and spellings of the URL. It
// takes at most 2 ms on an idle machine.
func BenchmarkCallbackWithoutAValidSignature(b *testing.B) {
	keys := []trusthub.SigningKey{authKey, trusthub.AuthToken("b"), trusthub.AuthToken("c"), trusthub.AuthToken("d")}
	many := &strings.Builder{}
	for i := range 299 {
		fmt.Fprintf(many, "%0200d=%%41&", 300-i)
	}
	shared := trusthub.SharedKey(sharedKeyID, sharedSecret)
	for _, test := range []struct {
		name, body string
		signer     trusthub.SigningKey
		keys       []trusthub.SigningKey
	}{
		{"one value", strings.Repeat("a", 64<<10), trusthub.AuthToken("x"), keys},
		{"300 parameters", many.String() + strings.Repeat("a", 64<<10-many.Len()), trusthub.AuthToken("x"), keys},
		{"SharedKey", many.String(), trusthub.SharedKey(sharedKeyID, "x"), append([]trusthub.SigningKey{shared}, keys[:3]...)},
	} {
		b.Run(test.name, func(b *testing.B) {
			r := &http.Request{Method: http.MethodPost, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(test.body))}
			const address = "https://user:password@app.example.com/"
			trusthubtest.SignCallbackWith(r, address, test.signer)
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(test.body))
				if trusthub.VerifyCallback(r, address, test.keys...) == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
