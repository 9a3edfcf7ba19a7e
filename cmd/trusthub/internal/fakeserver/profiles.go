package fakeserver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/sid"
)

// ReadProfiles reads profiles as JSON: an array of them, or one after the other, as trusthub fetch -o ndjson writes them.
func ReadProfiles(r io.Reader) (profiles []trusthub.CustomerProfile, err error) {
	text := bufio.NewReader(r)
	if mark, _ := text.Peek(3); bytes.Equal(mark, []byte("\ufeff")) {
		_, _ = text.Discard(3)
	}
	decoder := json.NewDecoder(text)
	for number := 1; ; {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return profiles, nil
		} else if err != nil {
			return nil, err
		}
		list := []json.RawMessage{value}
		if value[0] == '[' {
			if err := json.Unmarshal(value, &list); err != nil {
				return nil, err
			}
		}
		for _, one := range list {
			var failed struct{ Error json.RawMessage }
			if json.Unmarshal(one, &failed) == nil && failed.Error != nil {
				continue // a failure among the results of a fetch
			}
			profile, err := decodeProfile(bytes.NewReader(one))
			if err == nil {
				err = checkSID(profile.SID)
			}
			if err != nil {
				return nil, fmt.Errorf("profile %d: %w", number, err)
			}
			profiles = append(profiles, *profile)
			number++
		}
	}
}

// decodeProfile refuses unknown keys: a status that is misspelt would make a draft.
func decodeProfile(r io.Reader) (*trusthub.CustomerProfile, error) {
	profile := new(trusthub.CustomerProfile)
	return profile, decode(r, profile)
}

func checkSID(s string) error {
	if !sid.IsValid(s) {
		return fmt.Errorf("%q is not a Customer Profile SID: want BU and 32 hexadecimal digits", s)
	}
	return nil
}
