// Package tracker decides, for each of many SIDs, when it is fetched and which changes are handled.
// It does not depend on HTTP, profiles, or this module's error types.
//
// The rules, each with the test that shows it:
//
//   - There is at most one request for a SID at a time, so that responses come in the order of the
//     requests (TestOneRequestAtATime).
//   - A SID is queued for a poll only once (TestPollIsQueuedOnce). Polls go ahead of the sweep,
//     which leaves out the queued SIDs. A poll for a SID with a request in flight comes after that
//     request, unless the request was sent after the call of Poll
//     (TestPollWhileARequestIsUnderWay).
//   - A request that ends without a verdict is made again (TestNoVerdict).
//   - A state that equals the one handled last is no change. Nor is an error that equals the one
//     handled last (TestUnchanged).
//   - There is one job for a SID at a time. When it succeeds, its state is the one handled last.
//     When it fails, it comes again after a growing wait, with the newest state (TestFailedJob). A
//     state that arrives during a job is the next job (TestNewerStateWhileHandling).
//   - An event goes with the first state that shows it. Until then, the SID is polled again after
//     2, 10 and 60 s. Then the event is dropped (TestEventFollowUps). Up to four events of a SID
//     wait.
//   - A SID that a complete sweep did not yield is forgotten when there is no work left for it
//     (TestForgotten). At most 1,000 SIDs that are not tracked may wait (TestUntracked).
package tracker
