package trusthub_test

import (
	"errors"
	"net/http"
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

// A wrapper around this package and its caller may both want to know.
func TestResponseIntoSeveral(t *testing.T) {
	client := newClient(t, serve(t, answer(404, jsonType, `{"code":20404}`)))
	stale := trusthub.Response{StatusCode: 1, RequestID: "stale"}
	first, second := stale, stale
	opts := []trusthub.CallOption{trusthub.WithResponseInto(&first), nil, trusthub.WithResponseInto(nil), trusthub.WithResponseInto(&second)}
	if _, err := client.FetchCustomerProfile(t.Context(), sid, opts...); !errors.Is(err, trusthub.ErrNotFound) {
		t.Fatal(err)
	}
	for _, response := range []trusthub.Response{first, second} {
		if response.StatusCode != 404 || response.RequestID != "RQ1" || string(response.Body) != `{"code":20404}` || response.Attempts != 1 {
			t.Errorf("got %v", response)
		}
	}
	if _, err := client.FetchCustomerProfile(t.Context(), "malformed", opts...); !errors.Is(err, trusthub.ErrInvalidSID) {
		t.Fatal(err)
	}
	if first.StatusCode != 0 || second.StatusCode != 0 {
		t.Errorf("left from the call before: %v, %v", first, second)
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
