package trusthub

import "github.com/seed07fc1495/trusthub/gen"

// CustomerProfile is one Customer Profile, generated from the OpenAPI document. Absent, null and empty strings all
// read as ""; [WithResponseInto] keeps the difference.
//
// Its fields are those of [gen.CustomerProfile]:
//
//	go doc github.com/seed07fc1495/trusthub/gen.CustomerProfile
type CustomerProfile = gen.CustomerProfile

// CustomerProfileError is something that Twilio has found wrong with a profile, whatever shape it came in; [ProfileErrorText]
// says what its code means. It does not imply that the profile is rejected: Status tells that.
//
// AdditionalProperties has what encoding/json makes of JSON values, but for numbers of 2^53 and beyond: those are an
// [encoding/json.Number].
//
// Its fields are those of [gen.CustomerProfileError]:
//
//	go doc github.com/seed07fc1495/trusthub/gen.CustomerProfileError
type CustomerProfileError = gen.CustomerProfileError

// CustomerProfileStatus is how far the review of a profile has come, a string. A status that is not documented yet is
// passed through as Twilio sent it, and its Valid method reports false.
type CustomerProfileStatus = gen.CustomerProfileStatus

// The documented states of a profile's review.
const (
	StatusDraft          CustomerProfileStatus = gen.CustomerProfileStatusDraft
	StatusPendingReview  CustomerProfileStatus = gen.CustomerProfileStatusPendingReview
	StatusInReview       CustomerProfileStatus = gen.CustomerProfileStatusInReview
	StatusTwilioRejected CustomerProfileStatus = gen.CustomerProfileStatusTwilioRejected
	StatusTwilioApproved CustomerProfileStatus = gen.CustomerProfileStatusTwilioApproved
)
