package trusthub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func ExampleClient_FetchCustomerProfile() {
	url, stop := exampleServer()
	defer stop()
	client, err := trusthub.NewClient(
		// An Account SID and its auth token, or the SID and the secret of an API key.
		trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithBaseURL(url), // not needed for Twilio itself
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	profile, err := client.FetchCustomerProfile(context.Background(), "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile.FriendlyName, profile.Status, profile.DateCreated)
	// Output: friendly_name draft 2019-07-30 22:29:24 +0000 UTC
}

func ExampleError() {
	client, stop := exampleClient()
	defer stop()
	ctx, sid := context.Background(), "BU00000000000000000000000000000000"

	profile, err := client.FetchCustomerProfile(ctx, sid)
	var apiErr *trusthub.Error
	var decodeErr *trusthub.DecodeError
	switch {
	case err == nil:
		fmt.Println(profile.Status)
	case errors.Is(err, trusthub.ErrNotFound): // or ErrUnauthorized, ErrForbidden, …
		fmt.Println("no such profile")
	case errors.As(err, &apiErr):
		fmt.Println("status", apiErr.StatusCode, apiErr.Code, apiErr.Message, apiErr.RequestID)
	case errors.As(err, &decodeErr):
		fmt.Println("not a profile:", decodeErr.Pointer, decodeErr.RequestID)
	case errors.Is(err, trusthub.ErrInvalidSID):
		fmt.Println("nothing was sent")
	default:
		fmt.Println("the network or the context:", err)
	}

	// Output: no such profile
}

func ExampleWithResponseInto() {
	client, stop := exampleClient()
	defer stop()
	var response trusthub.Response
	_, err := client.FetchCustomerProfile(context.Background(), sid, trusthub.WithResponseInto(&response))
	fmt.Println(err, response.StatusCode, response.RequestID != "", response.Attempts)
	// Output: <nil> 200 true 1
}

// Credentials, and an edge location if you use one, come from the environment.
func ExampleNewClientFromEnv() {
	url, stop := exampleServer()
	defer stop()
	for key, value := range map[string]string{ // normally set by a shell or a container
		"TWILIO_ACCOUNT_SID": trusthubtest.Username,
		"TWILIO_AUTH_TOKEN":  trusthubtest.Password,
	} {
		if err := os.Setenv(key, value); err != nil {
			fmt.Println(err)
		}
		defer func() { _ = os.Unsetenv(key) }()
	}
	// Options override the environment.
	client, err := trusthub.NewClientFromEnv(trusthub.WithBaseURL(url))
	if err != nil {
		fmt.Println(err)
		return
	}
	profile, err := client.FetchCustomerProfile(context.Background(), sid)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile.Status)
	// Output: draft
}

// The context bounds a call, and WithTimeout one attempt of it.
func ExampleWithTimeout() {
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithBaseURL(slow.URL), trusthub.WithTimeout(5*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = client.FetchCustomerProfile(ctx, sid)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil)
	// Output: true true
}

// A program with its own queue makes a call again later. It checks its context first: after the end
// of the context, every call fails.
func ExampleIsRetryable() {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer busy.Close()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), trusthub.WithBaseURL(busy.URL),
		trusthub.WithRetry(trusthub.RetryPolicy{MaxAttempts: 1}))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	profile, err := client.FetchCustomerProfile(ctx, sid)
	switch {
	case err == nil:
		fmt.Println(profile.Status)
	case ctx.Err() != nil:
		fmt.Println("the program is ending")
	case trusthub.IsRetryable(err):
		fmt.Println("back into the queue")
	default:
		fmt.Println("final:", err)
	}
	// Output: back into the queue
}

// Cancellation ends a call at once, during a request or a wait.
func ExampleClient_FetchCustomerProfile_cancellation() {
	ctx, cancel := context.WithCancel(context.Background())
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "10")
		w.Header().Set("Twilio-Request-Id", "RQ1") // marks a 429 of Twilio, not of a gateway
		w.WriteHeader(http.StatusTooManyRequests)
		time.AfterFunc(10*time.Millisecond, cancel)
	}))
	defer busy.Close()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), trusthub.WithBaseURL(busy.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.FetchCustomerProfile(ctx, sid)
	fmt.Println(errors.Is(err, context.Canceled), errors.Is(err, trusthub.ErrTooManyRequests))
	// Output: true true
}

// Middleware sees every attempt. This one counts them.
func ExampleWithMiddleware() {
	url, stop := exampleServer()
	defer stop()
	attempts := 0
	count := func(next http.RoundTripper) http.RoundTripper {
		// roundTripFunc is a func type that implements RoundTrip.
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			attempts++
			return next.RoundTrip(req)
		})
	}
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithBaseURL(url), trusthub.WithMiddleware(count))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.FetchCustomerProfile(context.Background(), sid)
	fmt.Println(attempts, err)
	// Output: 1 <nil>
}

func ExampleWithLogger() {
	url, stop := exampleServer()
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr { // values that differ between runs
			if attr.Key == slog.TimeKey || attr.Key == "duration" || attr.Key == "request_id" {
				return slog.Attr{}
			}
			return attr
		},
	}))
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithBaseURL(url), trusthub.WithLogger(logger))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.FetchCustomerProfile(context.Background(), sid); err != nil {
		fmt.Println(err)
	}
	// Output: level=DEBUG msg="trusthub: request answered" method=GET path=/v1/CustomerProfiles/BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa attempt=1 status=200
}

// An audit of many profiles: each SID yields a result, in the order of completion.
func ExampleClient_FetchCustomerProfiles() {
	client, stop := exampleClient()
	defer stop()
	// In a program: the lines of a file, or the rows of a query.
	sids := []string{sid, "BU00000000000000000000000000000000"}
	approved, missing := 0, 0
	for result := range client.FetchCustomerProfiles(context.Background(), slices.Values(sids),
		trusthub.WithBatchConcurrency(32), trusthub.WithMaxOutage(5*time.Minute)) {
		switch {
		case errors.Is(result.Err, trusthub.ErrNotFound):
			missing++
		case errors.Is(result.Err, trusthub.ErrOutage): // the loop ends, fetch the rest later
			fmt.Println(result.SID, "is not fetched: outage")
		case result.Err != nil: // of this SID, or what ended the loop
			fmt.Println(result.SID, result.Err)
		case result.Profile.Status == trusthub.StatusTwilioApproved:
			approved++
		default:
			fmt.Println(result.SID, "is", result.Profile.Status)
		}
	}
	fmt.Println(approved, "approved,", missing, "missing")
	// Output:
	// BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is draft
	// 0 approved, 1 missing
}

// To resume a run that ended early, leave out the SIDs that it has finished: those with a profile,
// and those that Twilio does not know. The next run fetches the rest. Read the finished SIDs before
// the loop begins: the input runs at the same time as the loop body, so neither may change data of
// the other.
func ExampleClient_FetchCustomerProfiles_resume() {
	client, stop := exampleClient()
	defer stop()
	sids := []string{sid, "BU00000000000000000000000000000000"}
	// Read from the output of the earlier run.
	done := map[string]bool{"BU00000000000000000000000000000000": true}
	rest := slices.DeleteFunc(slices.Clone(sids), func(sid string) bool { return done[sid] })
	left := len(rest)
	for result := range client.FetchCustomerProfiles(context.Background(), slices.Values(rest)) {
		if result.Err == nil || errors.Is(result.Err, trusthub.ErrNotFound) || errors.Is(result.Err, trusthub.ErrInvalidSID) {
			fmt.Println("done:", result.SID)
			left--
		}
	}
	fmt.Println(left, "left for the next run")
	// Output:
	// done: BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
	// 0 left for the next run
}

func ExampleWithHooks() {
	client, stop := exampleClient(trusthub.WithHooks(trusthub.Hooks{
		AttemptDone: func(_ context.Context, info trusthub.AttemptInfo) {
			// In a program: count by Reason, and observe Duration and Waited.
			fmt.Println("attempt", info.Number, info.StatusCode, info.Reason)
		},
		CallDone: func(_ context.Context, info trusthub.CallInfo) {
			fmt.Println(info.Method, info.Route, "after", info.Attempts, "attempts:", info.Reason)
		},
	}))
	defer stop()
	_, _ = client.FetchCustomerProfile(context.Background(), "BU00000000000000000000000000000000")
	// Output:
	// attempt 1 404 status
	// GET /v1/CustomerProfiles/{Sid} after 1 attempts: status
}

func ExampleClient_Stats() {
	client, stop := exampleClient(trusthub.WithMaxConcurrency(64))
	defer stop()
	// A growing Waiting means that the limit of the account is the bottleneck.
	stats := client.Stats()
	fmt.Println("limit", stats.Limit, "waiting", stats.Waiting, "retries left", stats.RetriesLeft)
	// Output: limit 4 waiting 0 retries left 100
}

// Waiting for a review: the loop runs once for the profile as it is, and again for each change.
func ExampleClient_WatchCustomerProfile() {
	client, stop := exampleClient()
	defer stop()
	for profile, err := range client.WatchCustomerProfile(context.Background(), sid, time.Hour) {
		if err != nil {
			fmt.Println(err) // watching continues, except after 401, 403 and 404
			continue
		}
		fmt.Println(profile.Status)
		if profile.Status == trusthub.StatusDraft { // in a program, StatusTwilioApproved
			break
		}
	}
	// Output: draft
}

func exampleServer() (url string, stop func()) {
	server := httptest.NewServer(trusthubtest.NewHandler())
	return server.URL, server.Close
}

func exampleClient(opts ...trusthub.Option) (*trusthub.Client, func()) {
	url, stop := exampleServer()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		append(opts, trusthub.WithBaseURL(url))...)
	if err != nil {
		panic(err)
	}
	return client, stop
}

func ExampleClient_CallbackHandler() {
	authToken := trusthubtest.Password
	client, stop := exampleClient()
	defer stop()
	mux := http.NewServeMux()

	handler, err := client.CallbackHandler(trusthub.CallbackConfig{
		PublicURL: "https://app.example.com/trusthub",
		Keys:      []trusthub.SigningKey{trusthub.AuthToken(authToken)},
		Handle: func(_ context.Context, profile *trusthub.CustomerProfile, event trusthub.CallbackEvent) error {
			fmt.Println(profile.FriendlyName, "is", profile.Status)
			if event.Status == string(profile.Status) && event.FailureReason != "" {
				fmt.Println("Twilio says:", event.FailureReason)
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/trusthub/", http.StripPrefix("/trusthub", handler))

	call := httptest.NewRequest(http.MethodPost, "/trusthub/"+sid, nil) // as Twilio calls
	trusthubtest.SignCallback(call, "https://app.example.com/trusthub/"+sid)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, call)
	fmt.Println(answer.Code)
	// Output:
	// friendly_name is draft
	// 204
}

// Each account has a path and a handler, with the client and the keys of the account. Accounts can
// be added while the server runs.
func ExampleClient_CallbackHandler_accounts() {
	fake := trusthubtest.NewHandler()
	var handlers sync.Map // http.Handler by account SID
	add := func(account, token string) error {
		client, err := trusthub.NewClient(trusthub.BasicAuth(account, token), trusthub.WithHTTPClient(&http.Client{Transport: fake}))
		if err != nil {
			return err
		}
		handler, err := client.CallbackHandler(trusthub.CallbackConfig{
			PublicURL: "https://app.example.com",
			Keys:      []trusthub.SigningKey{trusthub.AuthToken(token)},
			Handle: func(_ context.Context, profile *trusthub.CustomerProfile, _ trusthub.CallbackEvent) error {
				fmt.Println(profile.FriendlyName, "of", account, "is", profile.Status)
				return nil
			},
		})
		handlers.Store(account, handler)
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/trusthub/{account}/", func(w http.ResponseWriter, r *http.Request) {
		if handler, ok := handlers.Load(r.PathValue("account")); ok {
			handler.(http.Handler).ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})

	const customer, token = "AC0123456789abcdef0123456789abcdef", "the auth token of that subaccount"
	fake.AddAccount(customer, token)
	fake.Put(trusthub.CustomerProfile{SID: "BU00000000000000000000000000000001", AccountSID: customer, FriendlyName: "Acme"})
	if err := add(customer, token); err != nil {
		log.Fatal(err)
	}
	// Twilio sends a request such as this one.
	r := httptest.NewRequest(http.MethodPost, "/trusthub/"+customer+"/"+"BU00000000000000000000000000000001", nil)
	trusthubtest.SignCallbackWith(r, "https://app.example.com/trusthub/"+customer+"/"+"BU00000000000000000000000000000001", trusthub.AuthToken(token))
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, r)
	fmt.Println(answer.Code)
	// Output:
	// Acme of AC0123456789abcdef0123456789abcdef is draft
	// 204
}

// To find out why callbacks are 403, write one to files for the command trusthub callback explain,
// before anything else reads the body. The files hold a valid signature and personal data.
func ExampleVerifyCallback_capture() {
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("the handler still reads %s", body)
	})
	capture := func(w http.ResponseWriter, r *http.Request) {
		head, _ := httputil.DumpRequest(r, false)
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		_ = os.WriteFile("headers.txt", head, 0o600)
		_ = os.WriteFile("body.txt", body, 0o600)
		handler.ServeHTTP(w, r)
	}
	defer func() { _ = os.Remove("headers.txt") }()
	defer func() { _ = os.Remove("body.txt") }()
	r := httptest.NewRequest(http.MethodPost, "/trusthub/BU…", strings.NewReader("Status=draft"))
	capture(httptest.NewRecorder(), r)
	// Output: the handler still reads Status=draft
}

// Many reviews: each change is handled once, also when the program is restarted. A program's own
// database takes the place of the map, and each profile is stored in it as JSON.
func ExampleTracker() {
	fake := trusthubtest.NewHandler()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithHTTPClient(&http.Client{Transport: fake}))
	if err != nil {
		log.Fatal(err)
	}
	database := make(map[string]*trusthub.CustomerProfile)
	reviewing := []string{trusthubtest.ExampleSID, "BU00000000000000000000000000000000"}
	tracker, err := client.NewTracker(trusthub.TrackerConfig{
		SIDs:  func() iter.Seq[string] { return slices.Values(reviewing) },
		Known: func(_ context.Context, sid string) (*trusthub.CustomerProfile, error) { return database[sid], nil },

		Concurrency: 1, // for the map, and for the order of the output
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	time.AfterFunc(time.Second/2, stop) // ends the example
	err = tracker.Run(ctx, func(_ context.Context, change trusthub.Change) error {
		switch {
		case errors.Is(change.Err, trusthub.ErrNotFound):
			fmt.Println(change.SID, "does not exist")
		case change.Err != nil:
			log.Println(change.Err)
		default:
			database[change.SID] = change.After // in one transaction with its effects
			fmt.Println(change.SID, "is", change.After.Status)
			fmt.Println(strings.Join(trusthub.ProfileErrorTexts(change.After), "\n"))
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is draft
	// the business name and the website cannot be associated with each other (18601)
	// BU00000000000000000000000000000000 does not exist
	// context canceled
}

// Each account has its own client and tracker. Its callbacks are served under the path of the
// account.
func ExampleTracker_CallbackHandler_accounts() {
	const public = "https://app.example.com"
	fake := trusthubtest.NewHandler()
	fake.AddAccount("AC0123456789abcdef0123456789abcdef", "the auth token of that subaccount")
	fake.Put(trusthub.CustomerProfile{SID: "BU00000000000000000000000000000001", AccountSID: "AC0123456789abcdef0123456789abcdef", FriendlyName: "Acme"})

	type account struct{ sid, token, profile string }
	accounts := []account{
		{trusthubtest.Username, trusthubtest.Password, trusthubtest.ExampleSID},
		{"AC0123456789abcdef0123456789abcdef", "the auth token of that subaccount", "BU00000000000000000000000000000001"},
	}
	mux := http.NewServeMux()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	changes := make(chan string)
	for _, account := range accounts {
		client, err := trusthub.NewClient(trusthub.BasicAuth(account.sid, account.token), trusthub.WithHTTPClient(&http.Client{Transport: fake}))
		if err != nil {
			log.Fatal(err)
		}
		tracker, err := client.NewTracker(trusthub.TrackerConfig{SIDs: func() iter.Seq[string] { return slices.Values([]string{account.profile}) }})
		if err != nil {
			log.Fatal(err)
		}
		path := "/trusthub/" + account.sid + "/"
		handler, err := tracker.CallbackHandler(trusthub.CallbackConfig{PublicURL: public, Keys: []trusthub.SigningKey{trusthub.AuthToken(account.token)}})
		if err != nil {
			log.Fatal(err)
		}
		mux.Handle(path, handler)
		running.Go(func() {
			_ = tracker.Run(ctx, func(_ context.Context, change trusthub.Change) error {
				changes <- fmt.Sprintf("%s of %s is %s", change.SID, account.sid, change.After.Status)
				return nil
			})
		})
		fmt.Println(<-changes) // change of the first sweep
	}
	for _, account := range accounts {
		fake.Put(trusthub.CustomerProfile{SID: account.profile, AccountSID: account.sid, Status: trusthub.StatusInReview})
		// The status_callback of the profile.
		url := public + "/trusthub/" + account.sid + "/" + account.profile
		r := httptest.NewRequest(http.MethodPost, url, nil)
		trusthubtest.SignCallbackWith(r, url, trusthub.AuthToken(account.token))
		mux.ServeHTTP(httptest.NewRecorder(), r)
		fmt.Println(<-changes)
	}
	stop()
	running.Wait()
	// Output:
	// BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa of ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is draft
	// BU00000000000000000000000000000001 of AC0123456789abcdef0123456789abcdef is draft
	// BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa of ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is in-review
	// BU00000000000000000000000000000001 of AC0123456789abcdef0123456789abcdef is in-review
}
