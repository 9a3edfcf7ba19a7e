package trusthub

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/decode"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

// CustomerProfile is one Customer Profile, generated from the OpenAPI document. Absent, null and
// empty strings all read as ""; the three times are nil when null or absent. [WithResponseInto]
// keeps the difference.
//
// Its fields are those of [gen.CustomerProfile]:
//
//	go doc github.com/seed07fc1495/trusthub/gen.CustomerProfile
type CustomerProfile = gen.CustomerProfile

// CustomerProfileError is a finding of Twilio about a profile, in any shape that Twilio sends.
// [ProfileErrorText] returns the meaning of its code. It does not imply that the profile is
// rejected; see Status.
//
// AdditionalProperties has the other members, as encoding/json decodes them. Numbers of 2^53 and
// beyond are an [encoding/json.Number].
//
// Its fields are those of [gen.CustomerProfileError]:
//
//	go doc github.com/seed07fc1495/trusthub/gen.CustomerProfileError
type CustomerProfileError = gen.CustomerProfileError

// CustomerProfileStatus is the state of a profile's review. An undocumented status is kept as
// Twilio sent it, and its Valid method reports false.
type CustomerProfileStatus = gen.CustomerProfileStatus

// The documented states of a profile's review.
const (
	StatusDraft          CustomerProfileStatus = gen.CustomerProfileStatusDraft
	StatusPendingReview  CustomerProfileStatus = gen.CustomerProfileStatusPendingReview
	StatusInReview       CustomerProfileStatus = gen.CustomerProfileStatusInReview
	StatusTwilioRejected CustomerProfileStatus = gen.CustomerProfileStatusTwilioRejected
	StatusTwilioApproved CustomerProfileStatus = gen.CustomerProfileStatusTwilioApproved
)

// ProfileErrorText returns the meaning of a code of [CustomerProfile].Errors in English, or "" for
// an unknown code, like [net/http.StatusText]. A code is a finding, not a decision: Twilio's own
// example has one on a draft. Only Status shows whether a profile is rejected.
//
// The source of the codes:
// https://www.twilio.com/en-us/changelog/introducing-error-codes-for-trust-hub-customer-profiles.
func ProfileErrorText(code int) string {
	switch code {
	case 18601:
		return "the business name and the website cannot be associated with each other"
	case 18602:
		return "the business id cannot be verified"
	case 18603:
		return "the address cannot be verified"
	case 18604:
		return "authorized representative 1 cannot be verified"
	case 18605:
		return "authorized representative 2 cannot be verified"
	case 18606:
		return "the domain of the e-mail address is not that of the website"
	case 18607:
		return "the profile or trust product may not be copied"
	case 18608:
		return "the profile or trust product has been copied already"
	case 18609:
		return "the authority with which the business is registered is not eligible"
	}
	return ""
}

// ProfileErrorTexts returns a text for each error of the profile, in order, such as "the address
// cannot be verified (18603)". For an unknown code, the text has the address of its documentation.
func ProfileErrorTexts(profile *CustomerProfile) []string {
	if profile == nil {
		return nil
	}
	var texts []string
	for _, item := range profile.Errors {
		switch said := ProfileErrorText(item.Code); {
		case said != "":
			texts = append(texts, fmt.Sprintf("%s (%d)", said, item.Code))
		case item.Code == 0:
			texts = append(texts, "an error without a code")
		default:
			texts = append(texts, fmt.Sprintf("https://www.twilio.com/docs/api/errors/%d", item.Code))
		}
	}
	return texts
}

// ChangedFields returns the JSON names of the documented properties that differ, in the document's
// order. A nil profile is an empty one. Values differ as JSON: null, absent and empty are the same,
// and so are two texts of the same number or time.
func ChangedFields(before, after *CustomerProfile) []string {
	values := func(p *CustomerProfile) (list []reflect.Value) {
		if p == nil {
			p = new(CustomerProfile)
		}
		for _, value := range properties.Of(p) {
			list = append(list, value)
		}
		return list
	}
	was, is := values(before), values(after)
	var changed []string
	i := 0
	for name := range properties.Names(CustomerProfile{}) {
		if !isSame(was[i], is[i]) {
			changed = append(changed, name)
		}
		i++
	}
	return changed
}

func isSame(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.String:
		return a.String() == b.String()
	case reflect.Pointer:
		x, isTime := a.Interface().(*time.Time)
		if y, _ := b.Interface().(*time.Time); isTime && x != nil && y != nil {
			return x.Equal(*y)
		}
	}
	return bytes.Equal(canonical(a), canonical(b))
}

// canonical returns the JSON of a value by RFC 8785; nil for an empty value.
func canonical(v reflect.Value) []byte {
	if k := v.Kind(); v.IsZero() || (k == reflect.Map || k == reflect.Slice) && v.Len() == 0 {
		return nil
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Append(nil, v.Interface()) // a program has set a value that JSON cannot hold
	}
	_ = (*jsontext.Value)(&text).Canonicalize()
	return text
}

// encodeProfile returns the form in which a tracker stores a profile; nil for none.
func encodeProfile(profile *CustomerProfile) ([]byte, error) {
	if profile == nil {
		return nil, nil
	}
	state, err := json.Marshal(profile, json.Deterministic(true))
	return append(make([]byte, 0, len(state)), state...), err // without spare capacity
}

func decodeProfile(state []byte) *CustomerProfile {
	if state == nil {
		return nil
	}
	profile := new(CustomerProfile)
	_ = decode.Model(state, profile) // encodeProfile wrote it
	return profile
}
