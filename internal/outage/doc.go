// Package outage protects a batch of calls against an outage of the API, and distinguishes an
// outage from calls that fail on their own. It does not depend on HTTP or on this module's error
// types.
//
// A request succeeds when the API has given a final response to it: a profile, or an error such as
// 404. It fails without a response, with a 5xx, or with the response of a gateway. A 429, a 401 and
// a 403 of the API are neither.
//
// The rules, each with the test that shows it:
//
//   - A failed call is parked. Its failure counts when a request that was sent later has succeeded
//     (TestFailureCountsAfterALaterSuccess). Then the call is sent again when it is due. After
//     MaxAttempts such failures it ends with its own error (TestCallEndsAfterMaxAttempts).
//   - The API counts as down when 8 calls in a row fail for the first time and no later request has
//     succeeded (TestEightInARowAreAnOutage), or when a canary fails (TestCanaryThatFails). Retries
//     never count, so that many retries of bad SIDs are not an outage (TestRetriesAreNoOutage).
//   - While it is down, one request at a time is sent as a probe, at growing intervals. Probes take
//     turns: a canary, which is one of the last three SIDs that succeeded; and a call that was
//     never sent, or else the first of the parked ones (TestProbesTakeTurns), or else one that
//     waits to be sent again (TestProbeByThrottledCall). SIDs are pulled for probes only
//     (TestPullsWhileDown).
//   - The success of a request that was sent in the outage ends it. Calls that failed before are
//     sent again, and their failures do not count (TestRecovery). The success of a request from
//     before makes the next probe due (TestSuccessOfAnEarlierRequest).
//   - While the API is up, calls are parked and nothing else would succeed, a canary is sent at the
//     same intervals (TestCanaryDecides); a canary that gets a 403 is dropped. When nothing has
//     ever succeeded, a parked call is sent again when it is due (TestNothingEverSucceeded). Fewer
//     than 8 such calls end with their own errors: after a minute, or a shorter MaxOutage, when the
//     input has ended; after MaxOutage while it is open (TestFewThatNeverSucceeded).
//   - The batch ends when a probe does not succeed (TestRejectedProbes) and nothing has succeeded
//     for MaxOutage (TestMaxOutage). The limit is a minute if nothing has ever succeeded and the
//     cause is probably local, such as an unknown host (TestLocalCause).
//   - A 429 costs time only. A call that is throttled on its own waits beside the others, and a
//     canary shows whether others succeed (TestThrottledAlone). When all get 429s and nothing
//     succeeds, the batch ends after MaxOutage, but not before a minute (TestThrottledForAll).
//   - At most 256 calls wait beside the places of those in progress. Then nothing more is pulled
//     (TestWaitingCallsHoldNoPlace).
//
// The decisions are in machine, which has no lock, clock or I/O. [Guard] and [Call] add them.
package outage
