package trusthub

import "github.com/seed07fc1495/trusthub/gen"

// CustomerProfile is one Customer Profile, generated from the OpenAPI document. Absent, null and empty strings all
// read as ""; [WithResponseInto] keeps the difference.
type CustomerProfile = gen.CustomerProfile

// CustomerProfileStatus is how far the review of a profile has come. A status that is not documented yet is passed
// through as Twilio sent it, and its Valid method reports false.
type CustomerProfileStatus = gen.CustomerProfileStatus

// The documented states of a profile's review.
const (
	StatusDraft          = gen.CustomerProfileStatusDraft
	StatusPendingReview  = gen.CustomerProfileStatusPendingReview
	StatusInReview       = gen.CustomerProfileStatusInReview
	StatusTwilioRejected = gen.CustomerProfileStatusTwilioRejected
	StatusTwilioApproved = gen.CustomerProfileStatusTwilioApproved
)
