package trusthub_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
)

func TestResponseInto(t *testing.T) {
	const body = `{"sid":null,"email":""}`
	client := newClient(t, serve(t, answer(200, jsonType, body)))
	response := trusthub.Response{StatusCode: 1, RequestID: "stale"}
	if _, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 || response.RequestID != "RQ1" || string(response.Body) != body ||
		response.Header.Get("Content-Type") != jsonType || response.Attempts != 1 {
		t.Errorf("got %v", response)
	}
}

func TestResponseIntoWithoutAnswer(t *testing.T) {
	client := newClient(t, "https://h", trusthub.WithHTTPClient(&http.Client{
		Transport: roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errors.New("down") }),
	}))
	response := trusthub.Response{StatusCode: 1, RequestID: "stale", Body: trusthub.Body("stale")}
	if _, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); err == nil {
		t.Fatal("no error")
	}
	if response.StatusCode != 0 || response.RequestID != "" || response.Body != nil || response.Attempts != 1 {
		t.Errorf("got %v", response)
	}
}

func TestBodiesAndResponsesPrintNoContent(t *testing.T) {
	body := trusthub.Body("secret")
	header := http.Header{"Set-Cookie": {"secret"}}
	for _, value := range []any{
		body, &body,
		struct{ Body trusthub.Body }{body},
		[]trusthub.Body{body},
		trusthub.Response{Body: body, Header: header},
		&trusthub.Response{Body: body, Header: header},
		struct{ R trusthub.Response }{trusthub.Response{Body: body}},
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb, value)
		}
		for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			slog.New(handler).Info("m", "value", value)
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(encoded)
		text := strings.ToLower(out.String())
		if !strings.Contains(text, "6 bytes") {
			t.Errorf("%T does not print the length: %s", value, text)
		}
		for _, form := range []string{"secret", hex.EncodeToString(body), "c2vjcmv0", "115 101", "0x73"} {
			if strings.Contains(text, form) {
				t.Errorf("%T prints the content as %s: %s", value, form, text)
			}
		}
	}
}
