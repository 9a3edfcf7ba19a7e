package fakeserver

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/decode"
	"github.com/seed07fc1495/trusthub/internal/properties"
	"github.com/seed07fc1495/trusthub/internal/sid"
)

func (s *Server) getProfile(w http.ResponseWriter, r *http.Request) {
	profile, ok := s.profile(w, r)
	if !ok {
		return
	}
	text, err := properties.Marshal(profile)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, json.RawMessage(text))
}

func (s *Server) putProfile(w http.ResponseWriter, r *http.Request) {
	profile, err := decodeProfile(body(w, r))
	if err != nil {
		badRequest(w, err)
		return
	}
	s.put(w, r, *profile)
}

// patchProfile replaces the properties in the body.
func (s *Server) patchProfile(w http.ResponseWriter, r *http.Request) {
	var patch map[string]json.RawMessage
	err := decodeJSON(body(w, r), &patch)
	if unknown := properties.Undocumented(patch, properties.Names(trusthub.CustomerProfile{})); err == nil && len(unknown) > 0 {
		err = fmt.Errorf("the document has no property %q", unknown[0])
	}
	s.patching.Lock()
	defer s.patching.Unlock()
	before, ok := s.profile(w, r)
	switch {
	case !ok:
		return
	case err != nil:
		badRequest(w, err)
		return
	}
	text, err := properties.Marshal(before)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	merged := make(map[string]json.RawMessage)
	_ = json.Unmarshal(text, &merged) // cannot fail: the fake wrote it
	maps.Copy(merged, patch)
	text, _ = json.Marshal(merged)
	profile, err := decodeProfile(bytes.NewReader(text))
	if err != nil {
		badRequest(w, err)
		return
	}
	s.put(w, r, *profile)
}

func (s *Server) deleteProfile(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.profile(w, r); ok {
		s.current().Remove(r.PathValue("sid"))
		w.WriteHeader(http.StatusNoContent)
	}
}

// profile returns the profile of the path. Without one it answers 404.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) (profile trusthub.CustomerProfile, ok bool) {
	sid := r.PathValue("sid")
	if err := checkSID(sid); err != nil {
		badRequest(w, err)
		return profile, false
	}
	if profile, ok = s.current().Profile(sid); !ok {
		http.Error(w, "there is no profile "+sid, http.StatusNotFound)
	}
	return profile, ok
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, profile trusthub.CustomerProfile) {
	sid := r.PathValue("sid")
	err := checkSID(sid)
	if err == nil && profile.SID != "" && !strings.EqualFold(profile.SID, sid) {
		err = errors.New("the sid of the profile differs from that of the path")
	}
	if err != nil {
		badRequest(w, err)
		return
	}
	profile.SID = sid
	s.current().Put(profile)
	w.WriteHeader(http.StatusNoContent)
}

// ReadProfiles reads profiles as JSON: an array, or one after the other like the output of trusthub
// fetch -o ndjson, whose failures are skipped. It also returns the names of undocumented
// properties, which it drops.
func ReadProfiles(r io.Reader) (profiles []trusthub.CustomerProfile, unknown []string, err error) {
	text := bufio.NewReader(r)
	if mark, _ := text.Peek(3); bytes.Equal(mark, []byte("\ufeff")) {
		_, _ = text.Discard(3)
	}
	decoder := json.NewDecoder(text)
	for {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			slices.Sort(unknown)
			return profiles, slices.Compact(unknown), nil
		} else if err != nil {
			return nil, nil, err
		}
		list := []json.RawMessage{value}
		if value[0] == '[' {
			if err := json.Unmarshal(value, &list); err != nil {
				return nil, nil, err
			}
		}
		for _, one := range list {
			var object map[string]json.RawMessage
			if json.Unmarshal(one, &object) == nil && len(object["error"]) > 0 && string(object["error"]) != "null" {
				continue // a failure of trusthub fetch
			}
			profile, err := readProfile(one)
			if err != nil {
				return nil, nil, fmt.Errorf("profile %d: %w", len(profiles)+1, err)
			}
			profiles = append(profiles, profile)
			unknown = append(unknown, properties.Undocumented(object, properties.Names(profile))...)
		}
	}
}

// readProfile reads a profile of Twilio as the SDK does.
func readProfile(text []byte) (profile trusthub.CustomerProfile, err error) {
	pointer, err := decode.Object("application/json", text, &profile)
	if err != nil {
		return profile, fmt.Errorf("%s: %s", cmp.Or(pointer, "the whole"), cmp.Or(decode.Describe(err), err.Error()))
	}
	return profile, checkSID(profile.SID)
}

// decodeProfile rejects unknown keys, since a misspelt status would make the profile a draft.
func decodeProfile(r io.Reader) (*trusthub.CustomerProfile, error) {
	profile := new(trusthub.CustomerProfile)
	return profile, decodeJSON(r, profile)
}

func checkSID(s string) error {
	if !sid.IsValid(s) {
		return fmt.Errorf("%q is not a Customer Profile SID: want BU and 32 hexadecimal digits", s)
	}
	return nil
}
