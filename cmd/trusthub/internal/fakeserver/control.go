package fakeserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const controlPath = "/_fake/"

func isControl(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, controlPath) }

// newControl returns the handler of the control requests. They need no credentials, are not
// recorded, and get no faults.
func (s *Server) newControl() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+controlPath+"health", s.health)
	mux.HandleFunc("GET "+controlPath+"profiles/{sid}", s.getProfile)
	mux.HandleFunc("PUT "+controlPath+"profiles/{sid}", s.putProfile)
	mux.HandleFunc("PATCH "+controlPath+"profiles/{sid}", s.patchProfile)
	mux.HandleFunc("DELETE "+controlPath+"profiles/{sid}", s.deleteProfile)
	mux.HandleFunc("POST "+controlPath+"faults", s.postFault)
	mux.HandleFunc("DELETE "+controlPath+"faults", s.deleteFaults)
	mux.HandleFunc("PUT "+controlPath+"limit", s.putLimit)
	mux.HandleFunc("GET "+controlPath+"requests", s.getRequests)
	mux.HandleFunc("GET "+controlPath+"callbacks", s.getCallbacks)
	mux.HandleFunc("PUT "+controlPath+"callbacks", s.putCallbacks)
	mux.HandleFunc("PUT "+controlPath+"accounts/{sid}", s.putAccount)
	mux.HandleFunc("POST "+controlPath+"reset", s.postReset)
	return mux
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]string{"status": "ok"})
}

func (s *Server) postFault(w http.ResponseWriter, r *http.Request) {
	fault, err := decodeFault(body(w, r))
	if err != nil {
		badRequest(w, err)
		return
	}
	s.addFault(fault)
	if fault.Status != 0 && fault.Status != http.StatusOK && fault.Status/100 != 4 && fault.Status/100 != 5 {
		fmt.Fprintf(w, "warning: the contract documents no status %d\n", fault.Status)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// deleteFaults removes the faults that have not happened yet, and changes nothing else.
func (s *Server) deleteFaults(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) putLimit(w http.ResponseWriter, r *http.Request) {
	var limit int
	if err := decodeJSON(body(w, r), &limit); err != nil || limit < 0 {
		badRequest(w, unlessTooLarge(err, "want a number of requests at a time, 0 for no limit"))
		return
	}
	s.current().LimitConcurrency(limit)
	w.WriteHeader(http.StatusNoContent)
}

// request is a recorded request. Its headers have no credentials.
type request struct {
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Header http.Header `json:"header"`
}

func (s *Server) getRequests(w http.ResponseWriter, _ *http.Request) {
	fake := s.current()
	list := struct {
		Refused  int       `json:"refused"` // requests that the limit rejected
		Requests []request `json:"requests"`
	}{fake.Refused(), []request{}}
	for _, r := range fake.Requests() {
		header := r.Header.Clone()
		for _, secret := range []string{"Authorization", "Proxy-Authorization", "Cookie"} {
			header.Del(secret)
		}
		list.Requests = append(list.Requests, request{r.Method, r.URL.RequestURI(), header})
	}
	writeJSON(w, list)
}

func (s *Server) postReset(w http.ResponseWriter, _ *http.Request) {
	s.reset()
	w.WriteHeader(http.StatusNoContent)
}

// body returns the body of a request, up to 1 MiB.
func body(w http.ResponseWriter, r *http.Request) io.Reader {
	return http.MaxBytesReader(w, r.Body, 1<<20)
}

// decodeJSON reads one JSON value. Unknown keys and trailing data are errors.
func decodeJSON(r io.Reader, value any) error {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return unlessTooLarge(err, "something follows the JSON")
	}
	return nil
}

func writeJSON(w http.ResponseWriter, value any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = text.WriteTo(w) // an error means that the client has gone
}

// unlessTooLarge returns an error with the text, or err if that is about the size of the body.
func unlessTooLarge(err error, text string) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return errors.New(text)
}

// badRequest answers a bad request with the text of err.
func badRequest(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status = http.StatusRequestEntityTooLarge
		err = fmt.Errorf("the body is larger than %d bytes", tooLarge.Limit)
	}
	http.Error(w, err.Error(), status)
}
