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
// [NewClientFromEnv] reads the usual environment variables. [AuthFunc] makes an [Auth] of any other
// way to sign a request, such as a bearer token. It is called before each request.
//
// # Errors
//
// A fetch returns exactly one of a profile and an error.
//
//   - *[Error]: a response with a status other than 2xx. [errors.Is] compares it with
//     [ErrUnauthorized], [ErrForbidden], [ErrNotFound] and [ErrTooManyRequests]. It is one of these
//     only if Twilio sent it, and not a gateway on the way ([Error.FromTwilio]).
//   - *[DecodeError]: a 2xx response that is not the profile asked for.
//   - [ErrInvalidSID]: the SID is malformed, and nothing was sent.
//   - Anything else comes from the network, the context, the [Auth] or a middleware, wrapped.
//
// *[Error] and *[DecodeError] keep the status, the request id and the body. [IsRetryable] reports
// for any error whether the same call may succeed later.
//
// # Retries
//
// A call makes up to 3 attempts. It retries after connection errors, truncated bodies, timeouts,
// and the statuses 429, 500, 502, 503 and 504. The waits start at 200 to 400 ms and double, up to
// 10 s. A Retry-After header replaces the wait. [RetryPolicy] has the details, and [WithRetry]
// changes the numbers.
//
// Not retried are other statuses, failed authentication, a proxy that answers 4xx to CONNECT, and
// TLS errors that the next connection would meet too. Nothing is retried after the end of the
// context. An error of an [Auth], a middleware or a transport decides for itself if it has a method
// Retryable() bool.
//
// A retry quota limits the traffic in an outage. It has at most 100 retries, and 5 successes add
// one. When it is empty, calls fail after their first attempt.
//
// # Timeouts
//
// An attempt takes at most 30 s ([WithTimeout]). The context bounds a call with its retries and
// waits. If the context ends after a failed attempt, the error wraps those of the context and of
// the attempt.
//
// # Concurrency
//
// A [Client] is immutable and safe for concurrent use. Create one for each account.
//
// Twilio limits the concurrent requests of an account, which all programs that use it share, and
// answers 429 to more. A 429 pauses the client, for the time of Retry-After or until a slot is
// probably free. If one request gets 429 while others succeed, only that request waits.
// [WithMaxConcurrency] bounds the requests in flight, and adapts to the limit of the account below
// the bound.
//
// # Many profiles, and changes
//
//   - [Client.FetchCustomerProfiles] fetches a batch of any length in constant memory, and waits
//     for the end of an outage.
//   - [Client.WatchCustomerProfile] polls one profile, and yields each change of it.
//   - [Tracker] calls a handler with the changes of thousands of profiles, across restarts and
//     outages.
//   - [Client.CallbackHandler] receives the status_callback of profiles, verifies its signature,
//     and fetches the profile.
//
// # Logs and metrics
//
// [WithLogger] logs each attempt: at Debug for a complete 2xx, at Warn for a failure, with its
// [Reason]. Outages and callbacks are logged too. slog's JSON handler writes durations in
// nanoseconds. [WithHooks] calls functions for each call and each attempt, and [Client.Stats] is a
// snapshot. The module github.com/seed07fc1495/trusthub/trusthubotel makes OpenTelemetry spans and
// metrics of them.
//
// # Secrets and personal data
//
// No credential, header or body reaches a log, a hook or the text of an error, and the values of
// this package print none with fmt and slog. Exceptions are the request id, Twilio's code and
// message, a gateway's Content-Type and Server, and the names on the way to a value that cannot be
// decoded. Texts of errors have less than 500 bytes and no control characters. Errors of generated
// code may quote the body. A printed [CustomerProfile] shows its content, such as an e-mail
// address. Logs and texts of errors have the SID of the profile. Hooks, and the spans and metrics
// of trusthubotel, do not.
package trusthub
