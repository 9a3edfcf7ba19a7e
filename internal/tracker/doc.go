// Package tracker decides, for each of many SIDs, when it is fetched and what is handed over. It
// knows neither HTTP, nor profiles, nor this module's error types.
//
// The rules, each with the test that shows it:
//
//   - There is at most one request for a SID at a time, so that what arrives later was also asked
//     for later (TestOneRequestAtATime).
//   - A poll is queued once, however often it is called for (TestPollIsQueuedOnce). It goes ahead
//     of the sweep, which leaves out what is queued. A poll for a SID whose request is under way is
//     made after it, unless that request was sent later than the poll was called for
//     (TestPollWhileARequestIsUnderWay).
//   - A request that ends without a verdict is made again (TestNoVerdict).
//   - A state that equals the one that was handled last is no change, nor is an error that does
//     (TestUnchanged).
//   - One job a SID at a time. When it succeeds, its state is the one that was handled last. When
//     it fails, it comes again after a growing wait, with the newest state (TestFailedJob). A newer
//     state that arrives meanwhile is the next job (TestNewerStateWhileHandling).
//   - An event goes with the first state that shows it. While none does, the SID is polled again
//     after 2, 10 and 60 s; then the event is dropped (TestEventFollowUps).
//   - A SID that a complete sweep did not yield is forgotten as soon as nothing is left to do for
//     it (TestForgotten). At most 1,000 SIDs that are not tracked wait for anything
//     (TestUntracked).
package tracker
