package fakeserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// fault is a [trusthubtest.Fault] for the next requests, of one profile or of all.
type fault struct {
	trusthubtest.Fault
	sid string // "": all profiles
}

// decodeFault reads a fault from JSON. Durations are texts such as "250ms". The body is a string,
// or JSON to send.
func decodeFault(r io.Reader) (*fault, error) {
	written := struct {
		Preset   string
		Status   int
		Header   map[string]oneOrMore
		Body     json.RawMessage
		Delay    duration
		Truncate bool
		Reset    bool
		Times    int
		SID      string
	}{Times: 1}
	if err := decodeJSON(r, &written); err != nil {
		return nil, err
	}
	f := &fault{sid: written.SID}
	if written.Preset != "" {
		if written.Status != 0 || len(written.Body) > 0 || !slices.Contains(trusthubtest.Gateways(), written.Preset) {
			return nil, fmt.Errorf("the preset is one of %s, and takes neither status nor body", strings.Join(trusthubtest.Gateways(), ", "))
		}
		f.Fault = trusthubtest.Gateway(written.Preset)
	} else {
		f.Status, f.Body, f.Empty, f.Header = written.Status, bodyOf(written.Body), string(written.Body) == `""`, make(http.Header)
	}
	f.Delay, f.Truncate, f.Reset, f.Times = time.Duration(written.Delay), written.Truncate, written.Reset, written.Times
	for name, values := range written.Header {
		f.Header[http.CanonicalHeaderKey(name)] = values
	}
	switch {
	case f.Status != 0 && (f.Status < 200 || f.Status > 999):
		return nil, fmt.Errorf("the status %d is not one of 200 to 999", f.Status)
	case f.Times == 0:
		return nil, errors.New("times must be a number of requests, or -1 for all")
	case f.sid == "":
		return f, nil
	}
	return f, checkSID(f.sid)
}

func (s *Server) addFault(f *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// nextFault returns the first fault for a request, and counts it down.
func (s *Server) nextFault(r *http.Request) (trusthubtest.Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(f *fault) bool { return f.sid == "" || strings.EqualFold(f.sid, path.Base(r.URL.Path)) })
	if i < 0 {
		return trusthubtest.Fault{}, false
	}
	found := s.faults[i]
	if found.Times--; found.Times == 0 {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return found.Fault, true
}

// bodyOf returns the content of a JSON string, or other JSON as it is.
func bodyOf(body json.RawMessage) string {
	var said string
	if len(body) == 0 || json.Unmarshal(body, &said) == nil { // null means no body
		return said
	}
	return string(body)
}

// duration is a text such as "250ms" in JSON.
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf("the delay %q is not a duration such as \"250ms\" or \"2s\"", text)
	}
	*d = duration(parsed)
	return nil
}

// oneOrMore is a string or a list of strings in JSON: the values of a header.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(written []byte) error {
	var one string
	if json.Unmarshal(written, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	var more []string
	err := json.Unmarshal(written, &more)
	*o = more
	return err
}
