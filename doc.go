// Package trusthub fetches Customer Profiles from Twilio's Trust Hub, GET /v1/CustomerProfiles/{Sid}.
//
//	client, err := trusthub.NewClient(trusthub.BasicAuth(accountSID, authToken))
//	...
//	profile, err := client.FetchCustomerProfile(ctx, "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
//
// # Authentication
//
// [BasicAuth] takes an Account SID and its auth token, or the SID and the secret of an API key. [AuthFunc] makes an [Auth]
// of any other way to sign a request, and [NewClientFromEnv] reads the usual environment variables.
//
// # Errors
//
// A fetch returns exactly one of a profile and an error. An answer with a status other than 2xx is an *[Error], which
// [errors.Is] compares with [ErrUnauthorized], [ErrForbidden], [ErrNotFound] and [ErrTooManyRequests]. A 2xx answer that is
// not the profile asked for is a *[DecodeError]. Both keep the status, the request id and the body. A malformed SID is
// [ErrInvalidSID], and nothing is sent. Anything else is an error of the network or of the context, wrapped.
//
// # Limits
//
// A body is read up to 1 MiB, decompressed; a longer one is [ErrResponseTooLarge], or an *[Error] with its body cut.
// Redirects are never followed.
//
// # Null, absent and empty
//
// Strings of a profile are plain values: null, absent and "" all read as "". The three times are nil when null or absent.
// Where the difference matters, [WithResponseInto] gives the body as received.
//
// # Secrets and personal data
//
// No credential, header or body reaches an error text, and none is printed by fmt or slog with the values of this package.
//
// # The code
//
// The path of a request through the files:
//
//	client.go    the method of an operation calls the generated client in gen/
//	chain.go     which hands its request to the chain: check the target, sign, send
//	response.go  the body is read into memory, up to the limit
//	decode.go    the answer becomes a value
//	errors.go    or one of two errors
package trusthub
