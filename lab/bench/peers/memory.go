package peers

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

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
