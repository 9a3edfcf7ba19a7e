package trusthubtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// reply is an answer before it is sent, and what goes wrong with it then.
type reply struct {
	status          int
	header          http.Header
	body            []byte
	truncate, reset bool
}

// handle decides on the answer to one request, and takes the time for it.
func (h *Handler) handle(r *http.Request) *reply {
	number, fault, admitted := h.enter(r)
	var reply *reply
	if admitted {
		defer h.leave()
		sleep(r.Context(), fault.Delay)
		reply = h.answer(r, fault)
	} else {
		reply = errorReply(http.StatusTooManyRequests, 20429, "Too many requests")
	}
	reply.header.Set("Twilio-Request-Id", fmt.Sprintf("RQ%032x", number))
	for name, values := range fault.Header {
		reply.header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	return reply
}

// enter remembers a request and numbers it. If it is not one too many, it counts as in flight and gets the next fault.
func (h *Handler) enter(r *http.Request) (number int, fault Fault, admitted bool) {
	kept := r.Clone(context.Background()) // not the server's context, which would keep the connection alive
	kept.Body = http.NoBody
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, kept)
	if h.limit > 0 && h.inFlight >= h.limit {
		return len(h.requests), Fault{}, false
	}
	h.inFlight++
	if len(h.faults) > 0 {
		fault, h.faults = h.faults[0], h.faults[1:]
	}
	return len(h.requests), fault, true
}

func (h *Handler) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight--
}

// answer is what the API answers to a request, changed as the fault says.
func (h *Handler) answer(r *http.Request, fault Fault) *reply {
	reply := faultReply(fault)
	if fault.Status == 0 {
		reply = h.usual(r)
	}
	if fault.Body != "" {
		reply.setBody(fault.Body)
	}
	reply.truncate, reply.reset = fault.Truncate, fault.Reset
	return reply
}

// usual is what the API answers to a request.
func (h *Handler) usual(r *http.Request) *reply {
	username, password, _ := r.BasicAuth()
	sid, known := strings.CutPrefix(r.URL.Path, "/v1/CustomerProfiles/")
	switch {
	case username != Username || password != Password:
		reply := errorReply(http.StatusUnauthorized, 20003, "Authenticate")
		reply.header.Set("WWW-Authenticate", `Basic realm="Twilio API"`)
		return reply
	case !known || strings.Contains(sid, "/"):
		return notFound(r)
	case r.Method != http.MethodGet:
		reply := errorReply(http.StatusMethodNotAllowed, 20004, "Method not allowed")
		reply.header.Set("Allow", http.MethodGet)
		return reply
	case !sidPattern.MatchString(sid):
		return errorReply(http.StatusBadRequest, 400, "The SID is malformed")
	}
	h.mu.Lock()
	body, ok := h.profiles[strings.ToUpper(sid)]
	h.mu.Unlock()
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

func notFound(r *http.Request) *reply {
	return errorReply(http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
}

// faultReply is the answer of a fault with a status.
func faultReply(fault Fault) *reply {
	if fault.Status < 400 {
		return &reply{status: fault.Status, header: http.Header{}}
	}
	code := 20000 + fault.Status // as Twilio's are: 20404, 20429, 20503
	if fault.Status == http.StatusUnauthorized {
		code = 20003
	}
	return errorReply(fault.Status, code, http.StatusText(fault.Status))
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
		panic(err) // numbers and strings can always be written
	}
	return &reply{status: status, header: http.Header{"Content-Type": {jsonType}}, body: body}
}

const jsonType = "application/json; charset=utf-8"

// setBody replaces the body, and calls it JSON only if it is.
func (r *reply) setBody(body string) {
	r.body = []byte(body)
	r.header.Set("Content-Type", "text/plain; charset=utf-8")
	if json.Valid(r.body) {
		r.header.Set("Content-Type", jsonType)
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
