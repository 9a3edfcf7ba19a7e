// Package outage keeps a batch of calls from being lost to an outage of the API, and tells an
// outage from calls that fail by themselves. It knows neither HTTP nor this module's error types.
//
// A request succeeds when the API has answered it for good: with a profile, or with a final verdict
// such as 404. It fails when there was no response, a 5xx, or the response of a gateway. A 429 is
// neither, nor is a 401 or a 403 of the API.
//
// The rules, each with the test that shows it:
//
//   - A failed call is parked. Its failure counts once a request that was sent after it has
//     succeeded (TestFailureCountsAfterALaterSuccess). Then the call is sent again when it is due,
//     and after MaxAttempts such failures it ends with its own error
//     (TestCallEndsAfterMaxAttempts).
//   - The API counts as down when 8 calls fail for the first time in requests that were sent after
//     the newest one that succeeded (TestEightInARowAreAnOutage), or when a canary fails
//     (TestCanaryThatFails). Retries never count, so a burst of bad SIDs that are known is no
//     outage (TestRetriesAreNoOutage).
//   - While it is down, one request at a time probes, at growing intervals: in turn a canary, which
//     is one of the last three SIDs that succeeded, and a call that was never sent, or else the one
//     parked for longest (TestProbesTakeTurns). SIDs are pulled for probes only
//     (TestPullsWhileDown).
//   - The success of a request that was sent in the outage ends it: what failed before is sent
//     again, and does not count (TestRecovery). One that was sent before makes the next probe due
//     (TestSuccessOfAnEarlierRequest).
//   - While calls are parked and nothing else brings a verdict, a canary is asked at such intervals
//     (TestCanaryDecides). When nothing has ever succeeded, a parked call is sent again when it is
//     due (TestNothingEverSucceeded). When the input has ended with fewer than 8, they end with
//     their own errors after a minute, or after MaxOutage if that is shorter
//     (TestFewThatNeverSucceeded).
//   - The batch ends when a probe fails and nothing has succeeded for MaxOutage (TestMaxOutage), or
//     for a minute when nothing ever has and the cause is probably local, such as an unknown host
//     (TestLocalCause).
//   - A 429 costs time alone. A call that is throttled on its own waits beside the others; a canary
//     shows whether others succeed (TestThrottledAlone). 429s for all without any success end the
//     batch after MaxOutage, and not before a minute (TestThrottledForAll).
//   - At most 256 calls wait beside the places of those in progress; then nothing more is pulled
//     (TestWaitingCallsHoldNoPlace).
//
// What is decided is in machine, which has no lock, clock or I/O. [Guard] and [Call] put them
// around it.
package outage
