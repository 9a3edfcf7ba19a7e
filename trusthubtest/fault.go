package trusthubtest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Fault changes the response to one request. Without a Status, it is the usual response with the
// changes of the other fields.
//
// The usual body of a Status of 400 or more is an error in Twilio's shape with a code made of the
// status. With a Status below 400, the body is empty. Body replaces the body. The Content-Type is
// application/json if Body is valid JSON, and text/plain if not. Header overrides it, for HTML or
// for JSON under another name. A name without values in Header removes the header.
type Fault struct {
	Status   int           // replaces the usual status
	Header   http.Header   // replaces headers of the same names
	Body     string        // replaces the usual body; "": it stays
	Empty    bool          // empties the body, which Body cannot do
	Delay    time.Duration // waits before the response; ends early if the client disconnects
	Truncate bool          // sends half of the body, then breaks the connection
	Reset    bool          // breaks the connection before the headers are complete
	Times    int           // number of requests; 0: one; negative: all, until ClearFaults
}

// Fail makes the next requests fail, one fault after the other. A request that LimitConcurrency
// rejects uses none. Behind a fault with negative Times, the others wait for [Handler.ClearFaults].
func (h *Handler) Fail(faults ...Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, fault := range faults {
		fault.Times = cmp.Or(fault.Times, 1)
		h.faults = append(h.faults, fault)
	}
}

// ClearFaults removes the faults of Fail that have not happened yet. Profiles, limit and FailFunc
// stay.
func (h *Handler) ClearFaults() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// FailFunc calls decide for each request that gets no fault of Fail. decide returns a fault, or
// false for none. A nil decide turns it off. decide is called from many goroutines at a time. It
// gets a copy of the request without the body, which it may keep. It is not called for requests
// that LimitConcurrency rejects.
func (h *Handler) FailFunc(decide func(*http.Request) (Fault, bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failFunc = decide
}

// nextFault returns the fault for a request.
func (h *Handler) nextFault(r *http.Request) (fault Fault) {
	h.mu.Lock()
	decide := h.failFunc
	waiting := len(h.faults) > 0
	if waiting {
		fault = h.faults[0]
		if h.faults[0].Times--; h.faults[0].Times == 0 {
			h.faults = h.faults[1:]
		}
	}
	h.mu.Unlock()
	if waiting || decide == nil {
		return fault
	}
	fault, fails := decide(r) // without the lock, so that decide may use the fake
	if !fails {
		return Fault{}
	}
	return fault
}

// setHeader applies the header of a fault.
func (r *reply) setHeader(header http.Header) {
	for name, values := range header {
		r.header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
}

// faultReply returns the response of a fault with a status.
func faultReply(fault Fault) *reply {
	if fault.Status < 400 {
		return &reply{status: fault.Status, header: http.Header{}}
	}
	code := 20000 + fault.Status // like Twilio's: 20404, 20429, 20503
	if fault.Status == http.StatusUnauthorized {
		code = 20003
	}
	return errorReply(fault.Status, code, http.StatusText(fault.Status))
}

// setBody replaces the body. Its type is JSON only if it is JSON.
func (r *reply) setBody(body string) {
	r.body = []byte(body)
	r.header.Set("Content-Type", "text/plain; charset=utf-8")
	if json.Valid(r.body) {
		r.header.Set("Content-Type", jsonType)
	}
}
