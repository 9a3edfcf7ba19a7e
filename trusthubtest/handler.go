package trusthubtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/seed07fc1495/trusthub"
)

// Handler is the fake as an [http.Handler], for programs that bring a server of their own. It is safe for concurrent
// use.
type Handler struct {
	mu       sync.Mutex
	profiles map[string][]byte // JSON by upper-case SID
	requests []*http.Request
}

// NewHandler returns a fake that knows the profile of Twilio's documentation.
func NewHandler() *Handler {
	h := &Handler{profiles: make(map[string][]byte)}
	h.Put(exampleProfile())
	return h
}

// Put adds a profile, or replaces the one with the same SID. The profile is copied. A profile without a status, which the
// API never sends, is a draft. Put panics when the SID is malformed, because such a profile could not be fetched.
func (h *Handler) Put(profile trusthub.CustomerProfile) {
	if !sidPattern.MatchString(profile.SID) {
		panic(fmt.Sprintf("trusthubtest: Put: %q is not a Customer Profile SID: want BU and 32 hexadecimal digits", profile.SID))
	}
	profile.Status = cmp.Or(profile.Status, trusthub.StatusDraft)
	body, err := marshal(profile)
	if err != nil {
		panic(fmt.Sprintf("trusthubtest: Put: %v", err))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.profiles[strings.ToUpper(profile.SID)] = body
}

// Requests returns all requests received so far, in order, without their bodies.
func (h *Handler) Requests() []*http.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*http.Request(nil), h.requests...)
}

// ServeHTTP answers as the Trust Hub API does.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := h.remember(r)
	w.Header().Set("Twilio-Request-Id", fmt.Sprintf("RQ%032x", n))
	username, password, _ := r.BasicAuth()
	sid, known := strings.CutPrefix(r.URL.Path, "/v1/CustomerProfiles/")
	switch {
	case username != Username || password != Password:
		w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API"`)
		writeError(w, http.StatusUnauthorized, 20003, "Authenticate")
	case !known || strings.Contains(sid, "/"):
		writeError(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		writeError(w, http.StatusMethodNotAllowed, 20004, "Method not allowed")
	case !sidPattern.MatchString(sid):
		writeError(w, http.StatusBadRequest, 400, "The SID is malformed")
	default:
		h.serveProfile(w, r, sid)
	}
}

func (h *Handler) serveProfile(w http.ResponseWriter, r *http.Request, sid string) {
	h.mu.Lock()
	body, ok := h.profiles[strings.ToUpper(sid)]
	h.mu.Unlock()
	if !ok {
		writeError(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
		return
	}
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Methods", "GET, OPTIONS")
	header.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type")
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Set("Access-Control-Expose-Headers", "Twilio-Request-Id")
	writeJSON(w, http.StatusOK, body)
}

// remember keeps a copy of the request and returns its number, counted from 1.
func (h *Handler) remember(r *http.Request) int {
	kept := r.Clone(context.Background()) // not the server's context, which would keep the connection alive
	kept.Body = http.NoBody
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, kept)
	return len(h.requests)
}

// writeError answers in the shape of https://www.twilio.com/docs/usage/twilios-response.
func writeError(w http.ResponseWriter, status, code int, message string) {
	body, err := json.Marshal(struct {
		Code     int    `json:"code"`
		Message  string `json:"message"`
		MoreInfo string `json:"more_info"`
		Status   int    `json:"status"`
	}{code, message, fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code), status})
	if err != nil {
		panic(err) // numbers and strings can always be written
	}
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is no failure of the fake
}

var sidPattern = regexp.MustCompile(`^BU[0-9a-fA-F]{32}$`)
