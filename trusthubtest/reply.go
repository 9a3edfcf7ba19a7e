package trusthubtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub/internal/sid"
	"github.com/seed07fc1495/trusthub/internal/sleep"
)

// reply is a response, and what goes wrong while it is sent.
type reply struct {
	status          int
	header          http.Header
	body            []byte
	truncate, reset bool
}

// handle returns the response to a request, after its delay.
func (h *Handler) handle(r *http.Request) *reply {
	// the server's context would keep the connection in memory
	kept := r.Clone(context.Background())
	kept.Body = http.NoBody
	number, delay, admitted := h.enter(kept)
	reply := errorReply(http.StatusTooManyRequests, 20429, "Too many requests")
	var fault Fault
	if admitted {
		defer h.leave()
		fault = h.nextFault(kept.Clone(kept.Context()))
		_ = sleep.For(r.Context(), delay+fault.Delay)
		reply = h.answer(r, fault)
	}
	reply.header.Set("Twilio-Request-Id", fmt.Sprintf("RQ%032x", number))
	reply.setHeader(fault.Header)
	return reply
}

// enter records and numbers a request. Unless the limit rejects it, the request counts as in flight
// and gets a delay.
func (h *Handler) enter(kept *http.Request) (number int, delay time.Duration, admitted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.received++
	h.requests = append(h.requests, kept)
	h.requests = h.requests[max(len(h.requests)-keptRequests, 0):]
	if h.limit > 0 && h.inFlight >= h.limit {
		h.refused++
		return h.received, 0, false
	}
	h.inFlight++
	return h.received, h.delay, true
}

func (h *Handler) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight--
}

// answer returns the response of the API, changed by the fault.
func (h *Handler) answer(r *http.Request, fault Fault) *reply {
	reply := faultReply(fault)
	if fault.Status == 0 {
		reply = h.usual(r)
	}
	if fault.Body != "" {
		reply.setBody(fault.Body)
	}
	if fault.Empty {
		reply.body = nil
		reply.header.Del("Content-Type")
	}
	reply.truncate, reply.reset = fault.Truncate, fault.Reset
	return reply
}

// usual returns the response of the API.
func (h *Handler) usual(r *http.Request) *reply {
	username, password, _ := r.BasicAuth()
	id, known := strings.CutPrefix(r.URL.Path, "/v1/CustomerProfiles/")
	switch {
	case !h.isAuthentic(username, password):
		reply := errorReply(http.StatusUnauthorized, 20003, "Authenticate")
		reply.header.Set("WWW-Authenticate", `Basic realm="Twilio API"`)
		return reply
	case !known || strings.Contains(id, "/"):
		return notFound(r)
	case r.Method != http.MethodGet:
		reply := errorReply(http.StatusMethodNotAllowed, 20004, "Method not allowed")
		reply.header.Set("Allow", http.MethodGet)
		return reply
	case !sid.IsValid(id):
		return errorReply(http.StatusBadRequest, 400, "The SID is malformed")
	}
	body, ok := h.profileOf(username, id)
	if !ok {
		return notFound(r)
	}
	return &reply{status: http.StatusOK, body: body, header: http.Header{
		"Content-Type":                     {jsonType},
		"Access-Control-Allow-Origin":      {"*"},
		"Access-Control-Allow-Methods":     {"GET, OPTIONS"},
		"Access-Control-Allow-Headers":     {"Accept, Authorization, Content-Type"},
		"Access-Control-Allow-Credentials": {"true"},
		"Access-Control-Expose-Headers":    {"Twilio-Request-Id"},
	}}
}

func (h *Handler) isAuthentic(username, password string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	token := h.accounts[username]
	return token != "" && password == token
}

// profileOf returns a profile if it belongs to the account. Profiles of unknown accounts belong to
// Username.
func (h *Handler) profileOf(account, sid string) (body []byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, ok = h.profiles[strings.ToUpper(sid)]
	var owner struct {
		SID string `json:"account_sid"`
	}
	if len(h.accounts) > 1 && json.Unmarshal(body, &owner) == nil {
		if h.accounts[owner.SID] == "" {
			owner.SID = Username
		}
		ok = ok && owner.SID == account
	}
	return body, ok
}

func notFound(r *http.Request) *reply {
	return errorReply(http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
}

// errorReply has the shape of https://www.twilio.com/docs/usage/twilios-response.
func errorReply(status, code int, message string) *reply {
	body, err := json.Marshal(struct {
		Code     int    `json:"code"`
		Message  string `json:"message"`
		MoreInfo string `json:"more_info"`
		Status   int    `json:"status"`
	}{code, message, fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code), status})
	if err != nil {
		panic(err) // numbers and strings can always be encoded
	}
	return &reply{status: status, header: http.Header{"Content-Type": {jsonType}}, body: body}
}

const jsonType = "application/json; charset=utf-8"
