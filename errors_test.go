package trusthub_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestErrorResponses(t *testing.T) {
	for name, test := range map[string]struct {
		status            int
		contentType, body string
		code              int
		message, moreInfo string
		text              string
	}{
		"documented shape": {
			404, apitest.JSON, `{"code":20404,"message":"not here","more_info":"https://i","status":404}`,
			20404, "not here", "https://i", "404 Not Found: not here (code 20404, request RQ1)",
		},
		"newer shape": {
			400, apitest.JSON, `{"code":20001,"message":"bad","httpStatusCode":400,"params":{"a":1},"userError":true}`,
			20001, "bad", "", "400 Bad Request: bad (code 20001, request RQ1)",
		},
		"text called JSON":  {503, apitest.JSON, "upstream secret", 0, "", "", "503 Service Unavailable (request RQ1)"},
		"HTML":              {502, "text/html", "<html>secret", 0, "", "", "502 Bad Gateway (request RQ1)"},
		"array":             {500, apitest.JSON, `["secret"]`, 0, "", "", "500 Internal Server Error (request RQ1)"},
		"wrong types":       {400, apitest.JSON, `{"code":"secret","message":"m","status":[]}`, 0, "m", "", "400 Bad Request: m (request RQ1)"},
		"empty":             {401, apitest.Text, "", 0, "", "", "401 Unauthorized (request RQ1)"},
		"unknown status":    {499, apitest.Text, "", 0, "", "", "499 (request RQ1)"},
		"redirect":          {302, apitest.Text, "", 0, "", "", "302 Found (request RQ1)"},
		"control character": {400, apitest.JSON, `{"message":"a\u001b[31m\nb\u202ec"}`, 0, "a\x1b[31m\nb\u202ec", "", "400 Bad Request: a[31mbc (request RQ1)"},
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.At(t, apitest.Serve(t, apitest.Answer(test.status, test.contentType, test.body)))
			profile, err := client.FetchCustomerProfile(t.Context(), sid)
			var apiErr *trusthub.Error
			if profile != nil || !errors.As(err, &apiErr) {
				t.Fatalf("got %v, %v", profile, err)
			}
			if apiErr.StatusCode != test.status || apiErr.RequestID != "RQ1" || string(apiErr.Body) != test.body {
				t.Errorf("evidence lost: %#v", apiErr)
			}
			if apiErr.Code != test.code || apiErr.Message != test.message || apiErr.MoreInfo != test.moreInfo {
				t.Errorf("got %#v", apiErr)
			}
			if want := "trusthub: GET /v1/CustomerProfiles/" + sid + ": " + test.text; err.Error() != want {
				t.Errorf("text\n%s, want\n%s", err, want)
			}
		})
	}
}

func TestErrorsByStatus(t *testing.T) {
	named := map[int]error{
		401: trusthub.ErrUnauthorized, 403: trusthub.ErrForbidden,
		404: trusthub.ErrNotFound, 429: trusthub.ErrTooManyRequests,
	}
	for _, status := range []int{400, 401, 403, 404, 429, 500} {
		err := fmt.Errorf("wrapped: %w", &trusthub.Error{StatusCode: status, RequestID: "RQ1"})
		for of, target := range named {
			if errors.Is(err, target) != (of == status) {
				t.Errorf("status %d, error of %d: %v", status, of, !errors.Is(err, target))
			}
		}
	}
}

// The text of an error is short, on one line, and without the body, for every response.
func TestErrorTextsAreShort(t *testing.T) {
	long := strings.Repeat("é\x1b\n", 1<<12)
	apiErr := &trusthub.Error{StatusCode: 511, Code: math.MinInt, Message: long, MoreInfo: long, RequestID: long, Body: trusthub.Body("secret")}
	decodeErr := &trusthub.DecodeError{StatusCode: 200, RequestID: long, Pointer: long, Body: trusthub.Body("secret"), Err: errors.New(long + "secret")}
	for _, err := range []error{apiErr, decodeErr, &trusthub.Error{}, &trusthub.DecodeError{}} {
		text := err.Error()
		if len(text) >= 500 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		if strings.Contains(text, "secret") {
			t.Errorf("prints the body: %s", text)
		}
	}
}

// The text of an error is short for a network error, a context's cause and an invalid option.
func TestErrorTextsOfTheNetworkAreShort(t *testing.T) {
	long := strings.Repeat("é\x1b\n", 1<<12)
	_, network := apitest.Over(t, apitest.Broken(errors.New(long))).FetchCustomerProfile(t.Context(), sid)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New(long))
	_, ended := apitest.Over(t, apitest.Broken(nil)).FetchCustomerProfile(ctx, sid)
	auth := trusthub.AuthFunc(func(*http.Request) error { return errors.New(long) })
	_, unsigned := apitest.Client(t, auth, apitest.Broken(nil)).FetchCustomerProfile(t.Context(), sid)
	_, option := trusthub.NewClient(auth, trusthub.WithUserAgent(long))
	for name, err := range map[string]error{"network": network, "ended": ended, "unsigned": unsigned, "option": option} {
		t.Run(name, func(t *testing.T) { checkText(t, err) })
	}
}

// A 2xx response without the requested profile is a *DecodeError. It names the field and keeps the
// response. There is one case of each kind here; internal/decode has all of them.
func TestBadResponses(t *testing.T) {
	for name, test := range map[string]struct {
		status      int
		contentType string
		body        string
		pointer     string
		text        string // of the error, after the status
	}{
		"content type":    {200, "text/html", "<html>", "", "unexpected content type (request RQ1)"},
		"null":            {200, apitest.JSON, "null", "", "JSON null in place of an object (request RQ1)"},
		"foreign":         {200, apitest.JSON, `{"code":20500,"message":"maintenance"}`, "", "JSON object without any documented key (request RQ1)"},
		"truncated":       {200, apitest.JSON, `{"email":"secret@exam`, "/email", "/email: truncated JSON (request RQ1)"},
		"malformed":       {200, apitest.JSON, `{"email":"secret@example.com"} x`, "", "malformed JSON (request RQ1)"},
		"duplicate":       {200, apitest.JSON, `{"email":"secret@example.com","email":"b"}`, "/email", "/email: duplicate name (request RQ1)"},
		"array":           {200, apitest.JSON, "[]", "", "JSON [ does not fit gen.CustomerProfile (request RQ1)"},
		"type":            {200, apitest.JSON, `{"links":{"a/b":1}}`, "/links/a~1b", "/links/a~1b: JSON number does not fit string (request RQ1)"},
		"another profile": {200, apitest.JSON, `{"sid":"BUbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}`, "/sid", "/sid: another profile's SID (request RQ1)"},
		"status 201":      {201, apitest.JSON, `{"email":"secret@example.com"}`, "", "unexpected status (request RQ1)"},
		"status 204":      {204, apitest.JSON, "", "", "unexpected status (request RQ1)"},
		"status 299":      {299, apitest.JSON, "{}", "", "unexpected status (request RQ1)"},
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.Over(t, apitest.Handled(apitest.Answer(test.status, test.contentType, test.body)))
			var response trusthub.Response
			profile, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
			var decodeErr *trusthub.DecodeError
			if profile != nil || !errors.As(err, &decodeErr) {
				t.Fatalf("got %v, %v, want a DecodeError", profile, err)
			}
			if decodeErr.StatusCode != test.status || decodeErr.RequestID != "RQ1" || string(decodeErr.Body) != test.body || decodeErr.Pointer != test.pointer {
				t.Errorf("evidence lost: %d, %q, %q, %q", decodeErr.StatusCode, decodeErr.RequestID, []byte(decodeErr.Body), decodeErr.Pointer)
			}
			want := fmt.Sprintf("trusthub: GET /v1/CustomerProfiles/%s: cannot decode the response with status %d: %s", sid, test.status, test.text)
			if text := err.Error(); text != want || strings.Contains(text, "secret") {
				t.Errorf("text\n%s, want\n%s", text, want)
			}
			if response.StatusCode != test.status || string(response.Body) != test.body || response.Attempts != 1 {
				t.Errorf("response %v", response)
			}
		})
	}
}

// The SID may be in another case or absent. Undocumented values are passed through.
func TestAcceptedResponses(t *testing.T) {
	for body, want := range map[string]string{
		`{"sid":"BU` + strings.ToUpper(sid[2:]) + `"}`: "BU" + strings.ToUpper(sid[2:]),
		`{"email":"x"}`:        "",
		`{"sid":null}`:         "",
		`{"status":"on-hold"}`: "on-hold",
		`{"errors":[{"code":18601,"message":"m"}],"new":1}`: "18601 m",
	} {
		profile, err := apitest.Over(t, apitest.CannedJSON(body)).FetchCustomerProfile(t.Context(), sid)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		got := profile.SID + string(profile.Status)
		for _, item := range profile.Errors {
			message, _ := item.Get("message")
			got += fmt.Sprint(item.Code, " ", message)
		}
		if got != want || profile.Status != "" && profile.Status.Valid() {
			t.Errorf("%s: got %q", body, got)
		}
	}
}

// A body over the limit is truncated there, for every status. The error keeps the bytes that were
// read.
func TestResponseTooLarge(t *testing.T) {
	const limit = 1 << 20
	endless := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", apitest.JSON)
			w.Header().Set("Twilio-Request-Id", "RQ1")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			var out io.Writer = w
			if w.Header().Get("Content-Encoding") == "gzip" {
				zipped := gzip.NewWriter(w)
				defer zipped.Close()
				out = zipped
			}
			w.WriteHeader(status)
			chunk := bytes.Repeat([]byte(" "), 1<<16)
			for range 64 {
				if _, err := out.Write(chunk); err != nil {
					return
				}
			}
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"gzip bomb":           endless(200, "Content-Encoding", "gzip"),
		"huge Content-Length": endless(200, "Content-Length", strconv.FormatInt(1<<60, 10)),
		"error":               endless(500),
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.At(t, apitest.Serve(t, handler))
			profile, err := client.FetchCustomerProfile(t.Context(), sid)
			if profile != nil {
				t.Fatalf("got a profile: %v", profile)
			}
			var decodeErr *trusthub.DecodeError
			var apiErr *trusthub.Error
			switch {
			case strings.HasPrefix(name, "error"):
				if !errors.As(err, &apiErr) || apiErr.RequestID != "RQ1" || len(apiErr.Body) != limit {
					t.Errorf("got %v", err)
				}
			case !errors.As(err, &decodeErr) || !errors.Is(err, trusthub.ErrResponseTooLarge) ||
				decodeErr.StatusCode != 200 || decodeErr.RequestID != "RQ1" || len(decodeErr.Body) != limit:
				t.Errorf("got %v", err)
			}
			if _, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid); !errors.Is(err, trusthub.ErrResponseTooLarge) {
				t.Errorf("generated client: got %v", err)
			}
		})
	}
}

// WithMaxResponseBytes sets the limit. A body of exactly the limit is accepted. The maximum int64
// means no limit.
func TestResponseLimits(t *testing.T) {
	for limit, tooLarge := range map[int64]bool{
		int64(len(apitest.Profile)): false, int64(len(apitest.Profile)) - 1: true, 1: true, math.MaxInt64: false,
	} {
		var response trusthub.Response
		_, err := apitest.Over(t, apitest.OK(), trusthub.WithMaxResponseBytes(limit)).
			FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
		kept := apitest.Profile[:min(int64(len(apitest.Profile)), limit)]
		if string(response.Body) != kept || errors.Is(err, trusthub.ErrResponseTooLarge) != tooLarge || !tooLarge && err != nil {
			t.Errorf("%d: kept %q, %v", limit, []byte(response.Body), err)
		}
	}
}

// The error of a truncated body keeps the bytes that arrived.
func TestTruncatedBody(t *testing.T) {
	client := apitest.At(t, apitest.Serve(t, apitest.BreakOff))
	_, err := client.FetchCustomerProfile(t.Context(), sid)
	var decodeErr *trusthub.DecodeError
	if !errors.As(err, &decodeErr) || !errors.Is(err, io.ErrUnexpectedEOF) ||
		decodeErr.RequestID != "RQ1" || string(decodeErr.Body) != `{"sid"` {
		t.Errorf("got %v", err)
	}
	raw, err := client.Generated().FetchCustomerProfile(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Body.Close()
	var copied strings.Builder
	if _, err := io.Copy(&copied, raw.Body); !errors.Is(err, io.ErrUnexpectedEOF) || copied.String() != `{"sid"` {
		t.Errorf("generated client: copied %q, %v", copied.String(), err)
	}
	_, err = client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid)
	if !trusthub.IsRetryable(err) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("generated client: got %v", err)
	}
	checkText(t, err)
}

// FromTwilio detects Twilio's header, or members that only Twilio's error bodies have.
func TestFromTwilio(t *testing.T) {
	for name, test := range map[string]struct {
		header, body string
		want         bool
	}{
		"header":                        {"RQ1", "<html>", true},
		"documented shape":              {"", `{"code":20404,"message":"m","more_info":"https://www.twilio.com/docs/errors/20404","status":404}`, true},
		"code of the whole API":         {"", `{"code":20404,"message":"m"}`, true},
		"code of one product":           {"", `{"code":45008,"message":"m","more_info":"https://www.twilio.com/docs/errors/45008"}`, true},
		"problem details":               {"", `{"type":"https://www.twilio.com/docs/api/errors/20404","title":"t","status":404,"code":20404}`, true},
		"code as a string":              {"", `{"code":"20404","more_info":"https://www.twilio.com/docs/errors/20404"}`, true},
		"nothing":                       {"", "", false},
		"code of gRPC":                  {"", `{"code":5,"message":"Not Found"}`, false},
		"five digits":                   {"", `{"code":10404,"message":"m","status":404}`, false},
		"another status":                {"", `{"code":20404,"message":"m","status":403}`, false},
		"another status in newer shape": {"", `{"code":20404,"message":"m","httpStatusCode":403}`, false},
		"address of another host":       {"", `{"code":1,"more_info":"https://twilio.com.example.com/"}`, false},
		"host with the same suffix":     {"", `{"code":1,"more_info":"https://nottwilio.com/"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if test.header != "" {
				header.Set("Twilio-Request-Id", test.header)
			}
			_, err := apitest.Over(t, apitest.Canned(404, header, test.body)).FetchCustomerProfile(t.Context(), sid)
			apiErr, ok := errors.AsType[*trusthub.Error](err)
			if !ok || apiErr.FromTwilio() != test.want || errors.Is(err, trusthub.ErrNotFound) != test.want || trusthub.IsRetryable(err) == test.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The error text of a gateway's response has the status, content type and server, but no text of
// the body.
func TestTextOfAGateway(t *testing.T) {
	header := http.Header{"Content-Type": {"text/html"}, "Server": {"nginx/1.29.3\x1b" + string(make([]byte, 100))}}
	_, err := apitest.Over(t, apitest.Canned(404, header, `{"message":"secret"}`)).FetchCustomerProfile(t.Context(), sid)
	want := "trusthub: GET /v1/CustomerProfiles/" + sid + ": 404 Not Found from a gateway, not from Twilio (content type text/html, server nginx/1.29.3…)"
	if err.Error() != want {
		t.Errorf("got\n%v, want\n%s", err, want)
	}
	_, err = apitest.Over(t, apitest.Canned(503, http.Header{}, "")).FetchCustomerProfile(t.Context(), sid)
	if want := "trusthub: GET /v1/CustomerProfiles/" + sid + ": 503 Service Unavailable from a gateway, not from Twilio (content type none)"; err.Error() != want {
		t.Errorf("got\n%v, want\n%s", err, want)
	}
}

func TestReasons(t *testing.T) {
	hang := apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	})
	for name, test := range map[string]struct {
		reply apitest.RoundTripFunc
		want  trusthub.Reason
	}{
		"503":                {apitest.Canned(503, http.Header{"Twilio-Request-Id": {"RQ1"}}, ""), trusthub.ReasonStatus},
		"503 of a gateway":   {apitest.Canned(503, nil, ""), trusthub.ReasonGateway},
		"no response":        {hang, trusthub.ReasonTimeout},
		"dial timeout":       {apitest.Broken(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), trusthub.ReasonTimeout},
		"connection refused": {apitest.Broken(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), trusthub.ReasonRefused},
		"unreachable":        {apitest.Broken(&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}), trusthub.ReasonRefused},
		"reset":              {apitest.Broken(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), trusthub.ReasonReset},
		"end of file":        {apitest.Broken(io.EOF), trusthub.ReasonReset},
		"truncated":          {apitest.Torn(), trusthub.ReasonTorn},
		"unknown host":       {apitest.Broken(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "h", IsNotFound: true}}), trusthub.ReasonDNS},
		"certificate":        {apitest.Broken(&tls.CertificateVerificationError{Err: errors.New("expired")}), trusthub.ReasonTLS},
		"alert":              {apitest.Broken(&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}), trusthub.ReasonTLS},
		"proxy refused":      {apitest.Broken(&net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}), trusthub.ReasonRefused},
		"proxy without TLS":  {apitest.Broken(&net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "remote error", Err: errors.New("tls: alert")}}), trusthub.ReasonTLS},
		"not TLS":            {apitest.Broken(tls.RecordHeaderError{}), trusthub.ReasonTLS},
		"too large":          {apitest.Canned(200, nil, "0123456789ab"), trusthub.ReasonTooLarge},
		"unknown":            {apitest.Broken(errors.New("middleware")), trusthub.ReasonOther},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d apitest.Diary
				_, err := apitest.Over(t, test.reply, d.Hooks(), trusthub.WithMaxResponseBytes(10)).FetchCustomerProfile(t.Context(), sid)
				if err == nil || len(d.Attempts) != 1 || d.Attempts[0].Reason != test.want || d.Calls[0].Reason != test.want {
					t.Errorf("got %v, %+v, %+v", err, d.Attempts, d.Calls)
				}
			})
		})
	}
}

// The Reason is ReasonDeadline or ReasonCanceled when the caller's context ends.
func TestReasonOfAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d apitest.Diary
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, context.Cause(req.Context())
		}), d.Hooks())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = fetch(ctx, client)
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, _ = fetch(ctx, client)
		for i, want := range []trusthub.Reason{trusthub.ReasonDeadline, trusthub.ReasonCanceled} {
			if d.Attempts[i].Reason != want || !d.Attempts[i].Final || d.Calls[i].Reason != want {
				t.Errorf("got %+v, %+v", d.Attempts[i], d.Calls[i])
			}
		}
	})
}

// The Reason of network errors without an exported type follows from their text.
func TestReasonsOverTheWire(t *testing.T) {
	reasonOver := func(t *testing.T, client func(trusthub.Option) *trusthub.Client) (trusthub.Reason, error) {
		var d apitest.Diary
		_, err := client(d.Hooks()).FetchCustomerProfile(t.Context(), sid)
		return d.Attempts[0].Reason, err
	}
	for name, protocols := range map[string]*http.Protocols{"reset over HTTP/1.1": nil, "reset over HTTP/2": apitest.OnlyHTTP2()} {
		t.Run(name, func(t *testing.T) {
			transport := apitest.InMemory(t, apitest.Reset)
			transport.Protocols = protocols
			if got, _ := reasonOver(t, func(o trusthub.Option) *trusthub.Client { return apitest.Over(t, transport, o) }); got != trusthub.ReasonReset {
				_, err := apitest.Over(t, transport).FetchCustomerProfile(t.Context(), sid)
				t.Errorf("got %q of %v", got, err)
			}
		})
	}
	t.Run("connection lost over HTTP/2", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := apitest.InMemory(t, apitest.Hang)
			transport.Protocols = apitest.OnlyHTTP2()
			dial := transport.DialContext
			transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: time.Second, PingTimeout: time.Second}
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				return &deafConn{Conn: conn, after: time.Now().Add(500 * time.Millisecond), closed: make(chan struct{})}, err
			}
			transport.DialTLSContext = transport.DialContext
			var d apitest.Diary
			_, err := apitest.Over(t, transport, d.Hooks()).FetchCustomerProfile(t.Context(), sid)
			if d.Attempts[0].Reason != trusthub.ReasonReset {
				t.Errorf("got %q of %v", d.Attempts[0].Reason, err)
			}
		})
	})
	t.Run("proxy that refuses connections", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		proxy := &url.URL{Scheme: "http", Host: listener.Addr().String()}
		_ = listener.Close()
		transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
		client := func(o trusthub.Option) *trusthub.Client {
			return apitest.At(t, "https://127.0.0.1:1", o, trusthub.WithHTTPClient(&http.Client{Transport: transport}))
		}
		if got, _ := reasonOver(t, client); got != trusthub.ReasonRefused {
			_, err := client(trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1})).FetchCustomerProfile(t.Context(), sid)
			t.Errorf("got %q of %v", got, err)
		}
	})
	t.Run("bad certificate", func(t *testing.T) { // is not retried
		server := httptest.NewUnstartedServer(apitest.Answer(200, apitest.JSON, apitest.Profile))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		server.StartTLS()
		defer server.Close()
		var d apitest.Diary
		_, err := apitest.At(t, server.URL, apitest.Defaults(), d.Hooks()).FetchCustomerProfile(t.Context(), sid)
		if d.Attempts[0].Reason != trusthub.ReasonTLS || len(d.Attempts) != 1 || !strings.Contains(fmt.Sprint(err), "certificate") || trusthub.IsRetryable(err) {
			t.Errorf("got %q of %v after %d attempts", d.Attempts[0].Reason, err, len(d.Attempts))
		}
	})
}

type deafConn struct {
	net.Conn
	after  time.Time
	once   sync.Once
	closed chan struct{}
}

func (c *deafConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if time.Now().After(c.after) {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func TestRetryableResponses(t *testing.T) {
	torn := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", apitest.JSON)
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"sid"`))
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stall := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    bool
	}{
		"a profile":       {apitest.Answer(200, apitest.JSON, apitest.Profile), false},
		"302":             {apitest.Answer(302, apitest.Text, ""), false},
		"400":             {apitest.Answer(400, apitest.JSON, `{"code":20001}`), false},
		"401":             {apitest.Answer(401, apitest.JSON, `{"code":20003}`), false},
		"403":             {apitest.Answer(403, apitest.JSON, `{"code":20003}`), false},
		"404":             {apitest.Answer(404, apitest.JSON, `{"code":20404}`), false},
		"429":             {apitest.Answer(429, apitest.JSON, `{"code":20429}`), true},
		"429, for long":   {apitest.Throttle("3600"), true},
		"500":             {apitest.Answer(500, apitest.Text, ""), true},
		"501":             {apitest.Answer(501, apitest.Text, ""), false},
		"502":             {apitest.Answer(502, apitest.Text, ""), true},
		"503":             {apitest.Answer(503, apitest.Text, ""), true},
		"504":             {apitest.Answer(504, apitest.Text, ""), true},
		"HTML":            {apitest.Answer(200, "text/html", "<html>"), false},
		"JSON cut short":  {apitest.Answer(200, apitest.JSON, `{"sid"`), false},
		"a wrong type":    {apitest.Answer(200, apitest.JSON, `{"email":5}`), false},
		"another profile": {apitest.Answer(200, apitest.JSON, `{"sid":"`+apitest.UnknownSID+`"}`), false},
		"too large":       {apitest.Answer(200, apitest.JSON, fmt.Sprintf("%1100s", apitest.Profile)), false},
		"no response":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		"truncated body":  {torn, true},
		"late response":   {hang, true},
		"late body":       {stall, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := apitest.Over(t, apitest.InMemory(t, test.handler), trusthub.WithTimeout(time.Second), trusthub.WithMaxResponseBytes(1<<10))
				_, err := client.FetchCustomerProfile(t.Context(), sid)
				if got := trusthub.IsRetryable(err); got != test.want || trusthub.IsRetryable(fmt.Errorf("wrapped: %w", err)) != test.want {
					t.Errorf("got %v for %v", got, err)
				}
			})
		})
	}
}

// After a deadline, the error is retryable. After a cancellation, it is not.
func TestEndedContexts(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stall := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	synctest.Test(t, func(t *testing.T) {
		for name, handlers := range map[string][]http.HandlerFunc{
			"in the first attempt":  {hang},
			"in the first body":     {stall},
			"after a response":      {apitest.Answer(503, apitest.Text, ""), hang},
			"after a late response": {hang, hang, hang},
			"while waiting":         {apitest.Throttle("9")},
			"in the body of an error": {func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(503)
				stall(w, r)
			}},
		} {
			s := apitest.NewScript(handlers...)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			_, err := fetch(ctx, apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithTimeout(2*time.Second)))
			cancel()
			if ctx.Err() == nil || !trusthub.IsRetryable(err) {
				t.Errorf("%s: got %v", name, err)
			}
			s = apitest.NewScript(handlers...)
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(3*time.Second, cancel)
			_, err = fetch(ctx, apitest.Over(t, apitest.InMemory(t, s.ServeHTTP), apitest.Defaults(), trusthub.WithTimeout(2*time.Second)))
			if err == nil || ctx.Err() == nil || trusthub.IsRetryable(err) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := fetch(ctx, apitest.Over(t, apitest.RoundTripFunc(nil))); err == nil || trusthub.IsRetryable(err) {
			t.Errorf("before anything: got %v", err)
		}
	})
}

// The timeout of an attempt gives the same error with HTTP/1.1 and HTTP/2. It differs from the
// error of the caller's context.
func TestTimeoutsLookTheSame(t *testing.T) {
	late := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	lateBody := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", apitest.JSON)
		_, _ = w.Write([]byte(`{"sid"`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	contracted := trusthub.WithMiddleware(contract.NewTransport) // reads the body in RoundTrip
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		opts    []trusthub.Option
		text    string
	}{
		"response":           {late, nil, "no complete response within 1s"},
		"body":               {lateBody, nil, "cannot decode the response with status 200: the body did not arrive in time"},
		"body in middleware": {lateBody, []trusthub.Option{contracted}, "cannot decode the response with status 200: the body did not arrive in time"},
	} {
		for protocol, protocols := range map[string]*http.Protocols{"HTTP/1.1": nil, "HTTP/2": apitest.OnlyHTTP2()} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					transport := apitest.InMemory(t, test.handler)
					transport.Protocols = protocols
					_, err := apitest.Over(t, transport, append(test.opts, trusthub.WithTimeout(time.Second))...).FetchCustomerProfile(t.Context(), sid)
					var timeout net.Error
					if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded) || !trusthub.IsRetryable(err) {
						t.Errorf("got %v", err)
					}
					if want := "trusthub: GET /v1/CustomerProfiles/" + sid + ": " + test.text; err == nil || err.Error() != want {
						t.Errorf("text\n%v, want\n%s", err, want)
					}
				})
			})
		}
	}
}

// opinion is an error with a Retryable method.
type opinion bool

func (opinion) Error() string     { return "opinion" }
func (o opinion) Retryable() bool { return bool(o) }

func TestRetryableErrors(t *testing.T) {
	transport := func(err error) trusthub.Option {
		return trusthub.WithHTTPClient(&http.Client{Transport: apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, err })})
	}
	for name, test := range map[string]struct {
		auth error
		opt  trusthub.Option
		want bool
	}{
		"refused connection":               {nil, transport(errors.New("connection refused")), true},
		"retryable error of the transport": {nil, transport(fmt.Errorf("wrapped: %w", opinion(true))), true},
		"final error of the transport":     {nil, transport(fmt.Errorf("wrapped: %w", opinion(false))), false},
		"ErrUnauthorized of the transport": {nil, transport(fmt.Errorf("wrapped: %w", trusthub.ErrUnauthorized)), false},
		"error of the Auth":                {io.EOF, transport(nil), false},
		"retryable error of the Auth":      {fmt.Errorf("wrapped: %w", opinion(true)), transport(nil), true},
		"final error of the Auth":          {opinion(false), transport(nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			auth := trusthub.AuthFunc(func(*http.Request) error { return test.auth })
			client, err := trusthub.NewClient(auth, trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}), test.opt)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.FetchCustomerProfile(t.Context(), sid); err == nil || trusthub.IsRetryable(err) != test.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A retryable error of an Auth is retried.
func TestRetryableAuthentication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signed := 0
		auth := trusthub.AuthFunc(func(*http.Request) error {
			if signed++; signed < 3 {
				return opinion(true)
			}
			return nil
		})
		client, err := trusthub.NewClient(auth, trusthub.WithHTTPClient(&http.Client{Transport: apitest.OK()}))
		if err != nil {
			t.Fatal(err)
		}
		var response trusthub.Response
		if _, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); err != nil || signed != 3 {
			t.Errorf("got %v after %d tries", err, signed)
		}
	})
}

// IsRetryable returns false for an error that is not the result of a call.
func TestOtherErrorsAreNotRetryable(t *testing.T) {
	client := apitest.Over(t, trusthubtest.NewHandler())
	_, malformed := client.FetchCustomerProfile(t.Context(), "BU1")
	_, noClient := trusthub.NewClient(nil)
	for _, err := range []error{nil, malformed, noClient, context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, errors.New("other"), opinion(true)} {
		if trusthub.IsRetryable(err) {
			t.Errorf("got true for %v", err)
		}
	}
	if err := (&trusthub.DecodeError{Err: io.ErrUnexpectedEOF}); !trusthub.IsRetryable(err) {
		t.Error("got false for a truncated body without a call")
	}
	if err := (&trusthub.Error{StatusCode: 503}); !trusthub.IsRetryable(err) {
		t.Error("got false for a 503 without a call")
	}
}

// A middleware may return ErrTooManyRequests. Programs test for it with errors.Is.
func TestErrTooManyRequestsOfMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := apitest.Over(t, apitest.Broken(fmt.Errorf("budget is used up: %w", trusthub.ErrTooManyRequests)), apitest.Defaults())
		defer func() {
			if value := recover(); value != nil {
				t.Errorf("panic: %v", value)
			}
		}()
		if _, err := client.FetchCustomerProfile(t.Context(), sid); !errors.Is(err, trusthub.ErrTooManyRequests) {
			t.Error(err)
		}
	})
}

// cause is an error with an unexported field, which must not be printed.
type cause struct{ text string }

func (c cause) Error() string { return c.text }

// Every type prints the same by value and by pointer, and prints no secrets.
func TestValuesPrintNoSecrets(t *testing.T) {
	const secret = "hunter2"
	body, header := trusthub.Body(secret), http.Header{"Set-Cookie": {secret}}
	response := trusthub.Response{StatusCode: 200, Body: body, Header: header}
	apiErr := &trusthub.Error{StatusCode: 503, Body: body}
	decodeErr := &trusthub.DecodeError{StatusCode: 200, Body: body, Err: cause{secret}}
	_, sendErr := apitest.Over(t, apitest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("transport connection broken: %w", cause{secret})
	})).FetchCustomerProfile(t.Context(), sid)
	auth := trusthub.BasicAuth(secret, secret)
	client, err := trusthub.NewClient(auth)
	if err != nil {
		t.Fatal(err)
	}
	for text, values := range map[string][]any{
		"[7 bytes]": {body, &body},
		`trusthub.Response(status 200, request "", body [7 bytes], attempts 0)`:       {response, &response},
		"trusthub: 503 Service Unavailable":                                           {*apiErr, apiErr},
		"trusthub: cannot decode the response with status 200: the body broke off":    {*decodeErr, decodeErr},
		"trusthub: GET /v1/CustomerProfiles/" + sid + ": transport connection broken": {sendErr},
		"trusthub.Client(https://trusthub.twilio.com/)":                               {*client, client},
		"trusthub.BasicAuth(…)":                                                       {auth},
	} {
		first := apitest.EveryForm(t, values[0])
		for _, value := range values {
			if got := fmt.Sprint(value); got != text {
				t.Errorf("%T prints\n%s, want\n%s", value, got, text)
			}
			if got := apitest.EveryForm(t, value); got != first {
				t.Errorf("%T prints\n%s, and %T\n%s", values[0], first, value, got)
			}
			result := trusthub.FetchResult{Err: errors.Join(sendErr, apiErr, decodeErr)}
			for _, holder := range []any{value, []any{value}, struct{ Held any }{value}, map[string]any{"held": value}, result, &result} {
				printed := strings.ToLower(apitest.EveryForm(t, holder))
				for _, form := range []string{secret, "68756e74", "ahvudgvy", "104 117", "0x68, 0x75", "150 165", "u+0068 u+0075", "1101000 1110101"} {
					if strings.Contains(printed, form) {
						t.Errorf("%T prints a secret as %s:\n%s", value, form, printed)
					}
				}
			}
		}
	}
}

// Format verbs for strings apply to the text of an error as to any string.
func TestErrorsObserveVerbs(t *testing.T) {
	err := &trusthub.Error{StatusCode: 404, Message: "é"}
	for verb, want := range map[string]string{
		"%q": `"trusthub: 404 Not Found: é"`, "%+q": `"trusthub: 404 Not Found: \u00e9"`, "%.8s": "trusthub", "%x": fmt.Sprintf("%x", err.Error()),
		"%30s": fmt.Sprintf("%30s", err.Error()), "%d": "trusthub: 404 Not Found: é",
	} {
		if got := fmt.Sprintf(verb, err); got != want {
			t.Errorf("%s: got %s, want %s", verb, got, want)
		}
	}
}

// A profile prints its properties, also inside another value.
func TestProfilesPrint(t *testing.T) {
	profile := trusthub.CustomerProfile{Email: "e@example.com"}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "result", trusthub.FetchResult{Profile: &profile})
	for _, text := range []string{fmt.Sprint(profile), fmt.Sprint(&profile), fmt.Sprint([]trusthub.CustomerProfile{profile}), out.String()} {
		if !strings.Contains(text, "e@example.com") {
			t.Errorf("got %s", text)
		}
	}
}

func TestProfileErrorText(t *testing.T) {
	seen := make(map[string]int)
	for code := 18601; code <= 18609; code++ {
		text := trusthub.ProfileErrorText(code)
		if seen[text] != 0 || text == "" {
			t.Errorf("%d: got %q, as for %d", code, text, seen[text])
		}
		seen[text] = code
	}
	if got, want := trusthub.ProfileErrorText(18603), "the address cannot be verified"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, code := range []int{0, 1, 18600, 18610, -18601} {
		if text := trusthub.ProfileErrorText(code); text != "" {
			t.Errorf("%d: got %q", code, text)
		}
	}
}

// checkText checks that the text of an error is suitable for a log: short, on one line, and with
// the prefix of this package.
func checkText(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); len(text) >= 500 || strings.ContainsFunc(text, unicode.IsControl) || !strings.HasPrefix(text, "trusthub: ") ||
		strings.Contains(text, "struct {") {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}
