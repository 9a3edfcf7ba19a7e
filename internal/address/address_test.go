package address_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/internal/address"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"https://trusthub.twilio.com":  "https://trusthub.twilio.com/",
		"https://trusthub.twilio.com/": "https://trusthub.twilio.com/",
		"https://h:8443/base/path":     "https://h:8443/base/path/",
		"https://h/a%20b/c%2Fd/":       "https://h/a%20b/c%2Fd/",
		"HTTPS://H":                    "https://H/",
		"https://h:":                   "https://h/", // an empty port means the default
		"http://localhost:1":           "http://localhost:1/",
		"http://[::1]:80/x":            "http://[::1]:80/x/",
		"http://fake:8080":             "http://fake:8080/",
	} {
		u, err := address.Parse(in)
		if err != nil || u.String() != want {
			t.Errorf("%s: got %v, %v", in, u, err)
		}
	}
	for _, in := range []string{
		"", " ", "trusthub.twilio.com", "/v1", "ftp://h", "https://", "https:h", "https://:443",
		"https://user:secret@h", "https://secret@h", "https://h?", "https://h?secret=1", "https://h#", "https://h#secret", "https://h:port",
		"https://u:secret:x@h:p", "https://h\n", "https://[::1",
	} {
		if u, err := address.Parse(in); u != nil || err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, %v", in, u, err)
		}
	}
}

// IsSecure permits credentials over https, and over http on loopback.
func TestIsSecure(t *testing.T) {
	for in, want := range map[string]bool{
		"https://h/": true, "http://localhost:1/": true, "http://127.8.8.8/": true, "http://[::1]:80/x": true,
		"http://trusthub.twilio.com/": false, "http://localhost.example.com/": false, "http://10.0.0.1/": false, "http://0.0.0.0/": false,
		"http://[::]/": false, "http://127.0.0.1.example.com/": false,
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if address.IsSecure(u) != want {
			t.Errorf("%s: got %v", in, !want)
		}
	}
}

func TestGlobal(t *testing.T) {
	if u, err := address.Global(); err != nil || u.String() != "https://trusthub.twilio.com/" {
		t.Errorf("got %v, %v", u, err)
	}
}

func TestRegional(t *testing.T) {
	for _, label := range []string{"dublin", "0", "9", "a", "z", "A", "Z", "a-z", "0--9", strings.Repeat("a", 63)} {
		u, err := address.Regional(label, "ie1")
		if err != nil || u.String() != "https://trusthub."+label+".ie1.twilio.com/" {
			t.Errorf("edge %q: got %v, %v", label, u, err)
		}
		u, err = address.Regional("dublin", label)
		if err != nil || u.String() != "https://trusthub.dublin."+label+".twilio.com/" {
			t.Errorf("region %q: got %v, %v", label, u, err)
		}
	}
	for _, label := range []string{
		"", ".", "a.b", "evil.example/", "a@b", "a:1", "-a", "a-", "-", "é", "{region}", strings.Repeat("a", 64),
		"/", ":", "@", "[", "`", "{", // ASCII next to digits and letters
	} {
		for _, pair := range [][2]string{{label, "us1"}, {"ashburn", label}} {
			if u, err := address.Regional(pair[0], pair[1]); u != nil || err == nil {
				t.Errorf("%q: got %v", pair, u)
			}
		}
	}
}
