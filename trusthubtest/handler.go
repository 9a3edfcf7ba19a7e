package trusthubtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/properties"
	"github.com/seed07fc1495/trusthub/internal/sid"
)

// Handler is the fake as an [http.Handler] for a program's own server, and as an
// [http.RoundTripper], which needs no server and works in a testing/synctest bubble:
//
//	trusthub.WithHTTPClient(&http.Client{Transport: trusthubtest.NewHandler()})
//
// It is safe for concurrent use.
type Handler struct {
	mu       sync.Mutex
	profiles map[string][]byte // JSON by upper-case SID
	received int               // number of requests
	requests []*http.Request   // the last requests
	refused  int
	faults   []Fault
	failFunc func(*http.Request) (Fault, bool)
	delay    time.Duration
	limit    int // 0: no limit
	inFlight int
	accounts map[string]string // auth tokens by account SID
	caller   *http.Client      // sends status callbacks; nil: none
	style    CallbackStyle
}

// keptRequests bounds the recorded requests, so that a load test does not run out of memory.
const keptRequests = 10_000

// NewHandler returns a fake with the profile of Twilio's documentation.
func NewHandler() *Handler {
	h := &Handler{profiles: make(map[string][]byte), accounts: map[string]string{Username: Password}}
	h.Put(exampleProfile())
	return h
}

// Put adds a profile, or replaces the one with the same SID. It copies the profile. An empty status
// becomes draft, since the API always sends a status. Put panics for a malformed SID,
// because the client cannot fetch it. If [Handler.CallBack] is on, it calls the StatusCallback.
func (h *Handler) Put(profile trusthub.CustomerProfile) {
	if !sid.IsValid(profile.SID) {
		panic(fmt.Sprintf("trusthubtest: Put: %q is not a Customer Profile SID: want BU and 32 hexadecimal digits", profile.SID))
	}
	profile.Status = cmp.Or(profile.Status, trusthub.StatusDraft)
	body, err := properties.Marshal(profile)
	if err != nil {
		panic(fmt.Sprintf("trusthubtest: Put: %v", err))
	}
	if callBack := h.store(profile, body); callBack != nil {
		callBack()
	}
}

// Profile returns the current profile; false if there is none with this SID.
func (h *Handler) Profile(sid string) (profile trusthub.CustomerProfile, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.find(sid)
}

func (h *Handler) find(sid string) (profile trusthub.CustomerProfile, ok bool) {
	body, ok := h.profiles[strings.ToUpper(sid)]
	return profile, ok && json.Unmarshal(body, &profile) == nil
}

// Remove removes a profile, which is answered 404 then, like a deleted one. A missing profile is no
// error.
func (h *Handler) Remove(sid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.profiles, strings.ToUpper(sid))
}

// AddAccount adds an account beside [Username] and [Password]. Its SID and auth token are accepted
// as credentials, and the token signs the status callbacks of its profiles. Each account gets 404
// for the profiles of another AccountSID. A second call replaces the token. AddAccount panics for
// an empty SID or token.
func (h *Handler) AddAccount(sid, token string) {
	if sid == "" || token == "" {
		panic("trusthubtest: AddAccount: the SID or the token is empty")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accounts[sid] = token
}

// Delay delays every response, in addition to the Delay of a [Fault]. A request that
// LimitConcurrency rejects is answered at once. The delay ends early if the client disconnects.
func (h *Handler) Delay(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.delay = d
}

// LimitConcurrency answers 429 with code 20429 to requests beyond n at a time, as Twilio does for
// an account. 0 means no limit. Requests take no time by default: set a Delay.
func (h *Handler) LimitConcurrency(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limit = n
}

// Refused returns the number of requests that LimitConcurrency has rejected.
func (h *Handler) Refused() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

// Requests returns the requests so far, in order, without their bodies: the last 10,000. The number
// in the Twilio-Request-Id of a response, hexadecimal and from 1, counts all requests.
func (h *Handler) Requests() []*http.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// ServeHTTP answers as the Trust Hub API does.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply := h.handle(r)
	if reply.reset {
		breakOff(w)
	}
	for name, values := range reply.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(reply.body)))
	w.WriteHeader(reply.status)
	if !reply.truncate {
		_, _ = w.Write(reply.body) // an error means that the client has gone
		return
	}
	_, _ = w.Write(reply.body[:len(reply.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// RoundTrip answers as the Trust Hub API does, without a connection.
func (h *Handler) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	reply := h.handle(req)
	switch {
	case req.Context().Err() != nil:
		return nil, context.Cause(req.Context())
	case reply.reset:
		return nil, fmt.Errorf("trusthubtest: connection broken: %w", io.ErrUnexpectedEOF)
	}
	body := io.Reader(bytes.NewReader(reply.body))
	if reply.truncate {
		body = io.MultiReader(bytes.NewReader(reply.body[:len(reply.body)/2]), truncated{})
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", reply.status, http.StatusText(reply.status)), StatusCode: reply.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: reply.header, Body: io.NopCloser(body), ContentLength: int64(len(reply.body)), Request: req,
	}, nil
}

// breakOff breaks the connection in the middle of the status line. Before its first byte, net/http
// would send a request again by itself if the connection was used before.
func breakOff(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil { // not over HTTP/2
		_, _ = io.WriteString(conn, "HTTP/1.1 ")
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

type truncated struct{}

func (truncated) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
