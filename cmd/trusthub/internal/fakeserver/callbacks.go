package fakeserver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// keptCallbacks bounds the list of callbacks.
const keptCallbacks = 10_000

// callback is a callback that was sent, and its response. The URL has no password.
type callback struct {
	Method   string `json:"method"`
	URL      string `json:"url"`
	Body     string `json:"body,omitempty"`
	Status   int    `json:"status,omitempty"` // 0: no response
	Error    string `json:"error,omitempty"`
	Duration string `json:"duration"`
}

// caller sends, records and logs callbacks.
type caller struct{ server *Server }

func (c caller) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := callback{Method: r.Method, URL: r.URL.Redacted()}
	if r.GetBody != nil { // not after a redirect
		if body, err := r.GetBody(); err == nil {
			form, _ := io.ReadAll(body) // cannot fail: it is in memory
			sent.Body = string(form)
		}
	}
	start, outcome := time.Now(), "callback failed"
	response, err := http.DefaultTransport.RoundTrip(r)
	took := time.Since(start).Round(time.Microsecond)
	sent.Duration = took.String()
	if err == nil {
		outcome = fmt.Sprint("callback ", response.StatusCode)
		sent.Status = response.StatusCode
	} else {
		sent.Error = err.Error()
	}
	c.server.record(sent)
	c.server.log(r, outcome, took)
	return response, err
}

func (s *Server) record(sent callback) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callbacks = append(s.callbacks, sent)
	s.callbacks = s.callbacks[max(len(s.callbacks)-keptCallbacks, 0):]
}

func (s *Server) getCallbacks(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	list := append([]callback{}, s.callbacks...)
	s.mu.Unlock()
	writeJSON(w, map[string]any{"callbacks": list})
}

// putCallbacks sets how later callbacks are sent and signed.
func (s *Server) putCallbacks(w http.ResponseWriter, r *http.Request) {
	style, err := decodeStyle(body(w, r))
	switch {
	case err != nil:
		badRequest(w, err)
	case !s.config.CallBack:
		badRequest(w, errors.New("the fake sends no callbacks: start it with --callbacks"))
	default:
		s.current().CallBackWith(&http.Client{Transport: caller{s}}, style)
		w.WriteHeader(http.StatusNoContent)
	}
}

func decodeStyle(r io.Reader) (style trusthubtest.CallbackStyle, err error) {
	var written struct {
		Method       string
		SharedKey    *struct{ ID, Secret string } `json:"shared_key"`
		Algorithm    string
		BodySHA256   bool `json:"body_sha256"`
		DropUserInfo bool `json:"drop_user_info"`
	}
	if err := decodeJSON(r, &written); err != nil {
		return style, err
	}
	style.BodySHA256, style.DropUserInfo = written.BodySHA256, written.DropUserInfo
	switch written.Method {
	case "", http.MethodPost:
	case http.MethodGet:
		style.GET = true
	default:
		return style, errors.New("the method is neither POST nor GET")
	}
	switch written.Algorithm {
	case "", "HMAC_SHA256":
	case "HMAC_SHA1":
		style.SHA1 = true
	default:
		return style, errors.New("the algorithm is neither HMAC_SHA256 nor HMAC_SHA1")
	}
	switch {
	case written.SharedKey == nil && written.Algorithm != "":
		return style, errors.New("an algorithm takes a shared_key: an auth token signs by HMAC_SHA1 only")
	case written.SharedKey == nil:
		return style, nil
	case written.SharedKey.ID == "" || written.SharedKey.Secret == "":
		return style, errors.New("a shared_key has an id and a secret")
	}
	style.Key = trusthub.SharedKey(written.SharedKey.ID, written.SharedKey.Secret)
	return style, nil
}

// putAccount adds an account. The body is its auth token.
func (s *Server) putAccount(w http.ResponseWriter, r *http.Request) {
	var token string
	if err := decodeJSON(body(w, r), &token); err != nil || token == "" {
		badRequest(w, unlessTooLarge(err, `want the auth token of the account as a JSON string, such as "0123456789abcdef0123456789abcdef"`))
		return
	}
	s.current().AddAccount(r.PathValue("sid"), token)
	w.WriteHeader(http.StatusNoContent)
}
