package peers

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Answers of the server: the documented example, which has errors, and an approved profile, which has none.
func Answers() map[string][]byte {
	fake := trusthubtest.NewHandler()
	example := fetchFrom(fake)
	fake.Put(trusthub.CustomerProfile{
		SID: trusthubtest.ExampleSID, AccountSID: "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", PolicySID: "RNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		FriendlyName: "friendly_name", Status: trusthub.StatusTwilioApproved, Email: "email",
	})
	return map[string][]byte{"example": example, "approved": fetchFrom(fake)}
}

func fetchFrom(fake *trusthubtest.Handler) []byte {
	req := httptest.NewRequest(http.MethodGet, "/v1/CustomerProfiles/"+trusthubtest.ExampleSID, nil)
	req.SetBasicAuth(trusthubtest.Username, trusthubtest.Password)
	recorder := httptest.NewRecorder()
	fake.ServeHTTP(recorder, req)
	return recorder.Body.Bytes()
}

// Memory is a transport that answers with one body, in a header that all peers take for JSON.
func Memory(status int, body []byte) http.RoundTripper {
	return memory{status, body, http.Header{"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(body))}}}
}

type memory struct {
	status int
	body   []byte
	header http.Header
}

func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: strconv.Itoa(m.status) + " " + http.StatusText(m.status), StatusCode: m.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, Body: io.NopCloser(bytes.NewReader(m.body)), ContentLength: int64(len(m.body)), Request: req,
	}, nil
}
