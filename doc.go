// Package trusthub fetches Customer Profiles from Twilio's Trust Hub, GET
// /v1/CustomerProfiles/{Sid}.
//
//	client, err := trusthub.NewClient(trusthub.BasicAuth(accountSID, authToken))
//	...
//	profile, err := client.FetchCustomerProfile(ctx, "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
//
// # Authentication
//
// [BasicAuth] takes an Account SID and its auth token, or the SID and the secret of an API key.
// [AuthFunc] makes an [Auth] of any other way to sign a request, such as a bearer token; it is
// called once for each attempt. [NewClientFromEnv] reads the usual environment variables.
//
// # Errors
//
// A fetch returns exactly one of a profile and an error. An answer with a status other than 2xx is
// an *[Error], which [errors.Is] compares with [ErrUnauthorized], [ErrForbidden], [ErrNotFound] and
// [ErrTooManyRequests], if there is evidence that Twilio sent it ([Error.FromTwilio]) and not a
// gateway. A 2xx answer that is not the profile asked for is a *[DecodeError]. Both keep the
// status, the request id and the body. A malformed SID is [ErrInvalidSID], and nothing is sent.
// Anything else is an error of the network, of the context, of the [Auth] or of a middleware,
// wrapped. [IsRetryable] tells of any of them whether the same call may succeed later.
//
// # Retries
//
// A call makes up to 3 attempts. Connection errors, bodies that break off, attempts that time out,
// and the statuses 429, 500, 502, 503 and 504 are tried again. Waits start at 200 to 400 ms and
// double, up to 10 s. A Retry-After header of up to 10 s takes the place of a wait, but for 0 and a
// date that has passed. A longer one ends the call at once, with RetryAfter set in the *[Error]. TLS errors that the next connection
// would meet, a proxy's refusal to connect (4xx but 429), failed authentication, ended contexts and
// other statuses are final. An error of an [Auth], a middleware or a transport that has a method
// Retryable() bool decides for itself. [WithRetry] changes the numbers.
//
// A retry quota keeps a total outage from multiplying traffic: it has 100 retries at most, and 5
// successes pay for one. When it is empty, calls fail after their first attempt. A 429 that costs
// no attempt, and [Client.FetchCustomerProfiles], which has rules of its own, take nothing from it.
//
// # Timeouts
//
// One attempt, from its signing to the last byte of its body, takes at most 30 s ([WithTimeout]). A
// call, retries and waits included, takes as long as its context permits. When the context ends a
// call that has failed before, the error is both the context's and that of the last attempt that
// had ended before, by [errors.Is] and [errors.As].
//
// The time-out of an attempt is a [net.Error] whose Timeout method says true, and
// [context.DeadlineExceeded] by [errors.Is], as the deadline of the caller's context is; but when a
// status other than 2xx came in time and its body did not, it is the *[Error]. What tells it from
// the deadline is that ctx.Err() is nil then. Both are [IsRetryable]; a call with an ended context
// is not worth making.
//
// A connection that has died in silence, behind a NAT that has forgotten it, costs a call one
// attempt (over HTTP/2, if the time-out is 2 s or more): HTTP/2 connections are checked by pings at
// a third of the time-out, 1 to 10 s, and an attempt that runs out of time has all idle connections
// closed. A transport by [WithHTTPClient] looks after itself.
//
// # Concurrency
//
// A [Client] is immutable and safe for concurrent use, and keeps up to 256 idle connections. Create
// one for a program, and call [Client.CloseIdleConnections] on one that you stop using earlier.
//
// Twilio limits the concurrent requests of an account, which all programs that use it share, and
// answers 429 beyond. A 429 therefore pauses the whole client, for as long as Retry-After says (at
// most an hour) or, without one, for about the time until a slot becomes free. A call that would
// have to wait longer than MaxWait fails at once with a copy of the 429; its RetryAfter is the rest
// of the pause. After a Retry-After one request goes first, and the others follow its success. When
// one request keeps getting 429 while others succeed, only that request waits.
//
// [WithMaxConcurrency] bounds the requests in flight and adapts to the account's limit below the
// bound. With it, a 429 costs no attempt as long as other requests of the client succeed (within
// the last 10 s, or MaxWait), up to 50 times. Without it, only [Client.FetchCustomerProfiles] has a
// bound, of 16.
//
// # Many profiles, and one over time
//
// [Client.FetchCustomerProfiles] fetches a stream of SIDs of any length in constant memory, as many
// at a time as the account permits, and yields results as they complete. It waits for the end of an
// outage, for up to 15 minutes ([WithMaxOutage]), and ends when Twilio answers 401.
// [Client.WatchCustomerProfile] polls one profile and yields it whenever it has changed. A
// [Tracker] does both for thousands of profiles: it hands over each change once, across restarts and
// outages.
//
// # Callbacks
//
// [Client.CallbackHandler] receives the status_callback of profiles. It verifies Twilio's signature
// ([VerifyCallback]), fetches the profile, and calls a function with the profile and the
// [CallbackEvent] that was sent. [Tracker.CallbackHandler] polls the profile ahead of a tracker's sweep.
//
// # Limits
//
// A body is read up to 1 MiB, decompressed ([WithMaxResponseBytes]); a longer one is
// [ErrResponseTooLarge], or an *[Error] with its body cut. Redirects are never followed. A base URL
// is https, unless it is a loopback address or [WithPlainHTTP] is given.
//
// # Null, absent and empty
//
// Strings of a profile are plain values: null, absent and "" all read as "". The three times are
// nil when null or absent. Where the difference matters, [WithResponseInto] gives the body as
// received.
//
// Text that is not Unicode, such as half of a surrogate pair ("\ud83d"), is not replaced, as some
// decoders do: the answer is a *[DecodeError], and its Body has what was received.
//
// # What an operator sees
//
// [WithLogger] writes a record for each attempt: at Debug for a 2xx that arrived whole, at Warn for a
// failure. It has method, path, status, attempt, duration and request id, and for a failure its
// [Reason] and the least time until the next attempt. slog's JSON handler writes durations in
// nanoseconds. The start and the end of an outage are records, too, and so is each callback.
// [WithHooks] calls functions for each call and each attempt. [Client.Stats] is a snapshot of the
// limit, the queue, a pause, the quota and an outage. The module
// github.com/seed07fc1495/trusthub/trusthubotel makes OpenTelemetry spans and metrics of them.
//
// # Secrets and personal data
//
// No credential is ever logged, given to a hook, put into the text of an error, or printed by fmt
// or slog with the values of this package, and of headers and bodies nothing but the request id
// and, in the text of an error, Twilio's code and message and the names on the way to a value that
// cannot be read. The texts of this package's errors have less than 500 bytes and no control
// characters; generated code has its own, which may quote the body.
//
// A [CustomerProfile] is the exception: it prints what is in it, an e-mail address for example, and
// so may what holds one.
package trusthub
