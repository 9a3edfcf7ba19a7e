package trusthubtest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Fault is what happens to one request. Without a Status, the request is answered as usual, but for
// what the other fields say.
//
// The body is that of the usual answer without a Status; an error in Twilio's shape, with a code
// made of the status, with one of 400 or more; else it is empty. Body takes its place. The
// Content-Type follows from it: application/json if Body is valid JSON, text/plain if not. A Header
// sets it apart, for HTML or for JSON that is called something else; a name without values in
// Header takes the header away.
type Fault struct {
	Status   int           // answered in place of the usual status
	Header   http.Header   // set on the answer, in place of what it has by these names
	Body     string        // sent in place of the usual body; "": it is not replaced
	Empty    bool          // the body is empty, as Body cannot say
	Delay    time.Duration // passes first, unless the client goes away
	Truncate bool          // half of the body is sent, then the connection breaks off
	Reset    bool          // the connection breaks off before the headers are complete
	Times    int           // how many requests it happens to; 0: one; negative: all, until ClearFaults
}

// Fail makes the next requests fail, by one fault after the other. Requests that LimitConcurrency
// rejects use none up. After a fault with negative Times, the ones behind it wait for
// [Handler.ClearFaults].
func (h *Handler) Fail(faults ...Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, fault := range faults {
		fault.Times = cmp.Or(fault.Times, 1)
		h.faults = append(h.faults, fault)
	}
}

// ClearFaults takes back the faults of Fail that have not happened yet. Profiles, limit, and
// FailFunc stay.
func (h *Handler) ClearFaults() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// FailFunc has decide say what happens to each request that finds no fault of Fail waiting: a
// fault, or with false none. nil ends it. decide is called from many goroutines at a time, with a
// copy of the request without its body, which it may keep. Requests that LimitConcurrency refuses
// are not asked about.
func (h *Handler) FailFunc(decide func(*http.Request) (Fault, bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failFunc = decide
}

// nextFault is that of a request.
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
	fault, fails := decide(r) // not under the lock, so that it may use the fake
	if !fails {
		return Fault{}
	}
	return fault
}

// setHeader puts the header of a fault in place of the usual one.
func (r *reply) setHeader(header http.Header) {
	for name, values := range header {
		r.header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
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

// setBody replaces the body, and calls it JSON only if it is.
func (r *reply) setBody(body string) {
	r.body = []byte(body)
	r.header.Set("Content-Type", "text/plain; charset=utf-8")
	if json.Valid(r.body) {
		r.header.Set("Content-Type", jsonType)
	}
}
