package trusthub_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// What Twilio signs is the URL as it calls it, so that the path counts as it came over the connection, escaped or not.
func TestCallbackPathsAsTheyCame(t *testing.T) {
	fake := trusthubtest.NewHandler()
	client := over(t, fake)
	h := client.CallbackHandler("https://app.example.com", []string{authToken}, func(context.Context, *trusthub.CustomerProfile) error { return nil })
	server := httptest.NewServer(h)
	defer server.Close()
	raw := func(target, signedURL, body string, header ...string) string {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		trusthubtest.SignCallback(r, signedURL)
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Twilio-Signature: %s\r\nContent-Length: %d\r\n%s\r\n%s", target, r.Header.Get("X-Twilio-Signature"), len(body), strings.Join(header, ""), body)
		b, _ := io.ReadAll(conn)
		line, _, _ := strings.Cut(string(b), "\r\n")
		return line
	}
	s := sid
	for _, target := range []string{"/" + s, "/a%2Fb/" + s, "/a%2fb/" + s, "/a+b/" + s, "/a~b%7Ec/" + s, "/a'b(c)!*/" + s, "/ä/" + s, "/%C3%A4/" + s, "/a;b=c/" + s, "/a:b@c/" + s, "//x/" + s, "/" + s + "/", "/" + s + "?", "/" + s + "?a=b&c", "/" + s + "?a=%zz", "/" + s + "?a?b", "/a|b/" + s, "/a\"b/" + s, "/a[b]/" + s, "/a{b}/" + s, "/a^b/" + s, "/a\\b/" + s, "/a`b/" + s, "/a<b>/" + s, "/./" + s, "/../" + s, "/a%00b/" + s, "/a$&,=b/" + s, "/%62/" + s} {
		if got := raw(target, "https://app.example.com"+target, "Status=x"); got != "HTTP/1.1 204 No Content" {
			t.Errorf("%s: %s", target, got)
		}
	}
}
