package trusthub

import "github.com/seed07fc1495/trusthub/gen"

// CustomerProfile is one Customer Profile, generated from the OpenAPI document. Absent, null and
// empty strings all read as ""; [WithResponseInto] keeps the difference.
//
// Its fields are those of [gen.CustomerProfile]:
//
//	go doc github.com/seed07fc1495/trusthub/gen.CustomerProfile
type CustomerProfile = gen.CustomerProfile

// CustomerProfileError is something that Twilio has found wrong with a profile, in whatever shape
// it came. [ProfileErrorText] returns what its code means. It does not imply that the profile is
// rejected; see Status.
//
// AdditionalProperties has the other members, as encoding/json decodes them. Numbers of 2^53 and
// beyond are an [encoding/json.Number].
//
// Its fields are those of [gen.CustomerProfileError]:
//
//	go doc github.com/seed07fc1495/trusthub/gen.CustomerProfileError
type CustomerProfileError = gen.CustomerProfileError

// CustomerProfileStatus is how far the review of a profile has come, a string. A status that is not
// documented yet is passed through as Twilio sent it, and its Valid method reports false.
type CustomerProfileStatus = gen.CustomerProfileStatus

// The documented states of a profile's review.
const (
	StatusDraft          CustomerProfileStatus = gen.CustomerProfileStatusDraft
	StatusPendingReview  CustomerProfileStatus = gen.CustomerProfileStatusPendingReview
	StatusInReview       CustomerProfileStatus = gen.CustomerProfileStatusInReview
	StatusTwilioRejected CustomerProfileStatus = gen.CustomerProfileStatusTwilioRejected
	StatusTwilioApproved CustomerProfileStatus = gen.CustomerProfileStatusTwilioApproved
)

// ProfileErrorText returns what a code of [CustomerProfile].Errors means, in English, or "" for an
// unknown code, like [net/http.StatusText]. A code is a finding and no decision: Twilio's own
// example has one on a draft. Whether a profile is rejected is its Status.
//
// See https://www.twilio.com/en-us/changelog/introducing-error-codes-for-trust-hub-customer-profiles.
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
