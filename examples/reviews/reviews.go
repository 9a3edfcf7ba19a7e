// Command reviews tells how the reviews of Customer Profiles go. Twilio calls when a status
// changes, and a slow watch finds out what a lost call would have told, or what has happened while
// the program was not running.
//
//	trusthub serve --callbacks                                                      # a fake in Twilio's place
//	go run ./reviews -fake http://127.0.0.1:8080 BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa # this program, in examples
//
// It tells the first status then, and others when somebody changes it:
//
//	curl -X PUT http://127.0.0.1:8080/_fake/profiles/BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -d '{"status": "twilio-approved",
//		"status_callback": "http://127.0.0.1:9090/trusthub/BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'
//
// Without -fake, the program reads TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, and for callbacks also
// TWILIO_NEXT_AUTH_TOKEN, TWILIO_SHARED_KEY_ID and TWILIO_SHARED_KEY_SECRET. The flag -public is
// where Twilio reaches the program. Set the status_callback of each profile to what the program
// prints for it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func main() {
	fake := flag.String("fake", "", "the address of a fake, in place of Twilio's")
	listen := flag.String("listen", "127.0.0.1:9090", "the address to serve callbacks at")
	public := flag.String("public", "http://127.0.0.1:9090", "the URL by which Twilio reaches that address")
	every := flag.Duration("every", 6*time.Hour, "how often to look without being called")
	flag.Parse()
	client, keys, err := newClient(*fake)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	for _, sid := range flag.Args() {
		fmt.Println("status_callback:", *public+path+sid)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := newReviews(client, func(profile *trusthub.CustomerProfile) { fmt.Println(profile.SID, "is", profile.Status) })
	handler, err := r.handler(*public, keys)
	if err != nil {
		log.Fatal(err)
	}
	r.run(ctx, listener, handler, flag.Args(), *every)
}

func newClient(fake string) (client *trusthub.Client, keys []trusthub.SigningKey, err error) {
	if fake != "" {
		client, err = trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), trusthub.WithBaseURL(fake))
		return client, []trusthub.SigningKey{trusthub.AuthToken(trusthubtest.Password)}, err
	}
	client, err = trusthub.NewClientFromEnv()
	return client, []trusthub.SigningKey{ // unset variables count for nothing; the next token is for while one is rotated
		trusthub.AuthToken(os.Getenv("TWILIO_AUTH_TOKEN")),
		trusthub.AuthToken(os.Getenv("TWILIO_NEXT_AUTH_TOKEN")),
		trusthub.SharedKey(os.Getenv("TWILIO_SHARED_KEY_ID"), os.Getenv("TWILIO_SHARED_KEY_SECRET")),
	}, err
}

// path is where callbacks are served; the SID follows.
const path = "/trusthub/"

// reviews knows what was last seen of each profile.
type reviews struct {
	client *trusthub.Client
	tell   func(*trusthub.CustomerProfile)

	mu   sync.Mutex
	seen map[string]*trusthub.CustomerProfile
}

func newReviews(client *trusthub.Client, tell func(*trusthub.CustomerProfile)) *reviews {
	return &reviews{client: client, tell: tell, seen: make(map[string]*trusthub.CustomerProfile)}
}

// handler returns the handler of callbacks. Twilio's own words are used only while they are about
// the status that the profile has.
func (r *reviews) handler(public string, keys []trusthub.SigningKey) (http.Handler, error) {
	return r.client.CallbackHandler(trusthub.CallbackConfig{
		PublicURL: public, Keys: keys,
		Handle: func(ctx context.Context, profile *trusthub.CustomerProfile, event trusthub.CallbackEvent) error {
			if event.FailureReason != "" && event.Status == string(profile.Status) {
				log.Println(profile.SID, "was rejected:", event.FailureReason)
			}
			return r.learn(ctx, profile)
		},
	})
}

// run serves callbacks and watches until ctx ends.
func (r *reviews) run(ctx context.Context, listener net.Listener, callbacks http.Handler, sids []string, every time.Duration) {
	mux := http.NewServeMux()
	mux.Handle(path, callbacks)
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second} // for callers that send slowly, or nothing
	var all sync.WaitGroup
	all.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Println(err) // watching goes on
		}
	})
	for _, sid := range sids {
		all.Go(func() { r.watch(ctx, sid, every) })
	}
	<-ctx.Done()
	_ = server.Shutdown(context.WithoutCancel(ctx)) // after the calls that are being handled, 10 s each at most
	all.Wait()
}

func (r *reviews) watch(ctx context.Context, sid string, every time.Duration) {
	for profile, err := range r.client.WatchCustomerProfile(ctx, sid, every) {
		switch {
		case ctx.Err() != nil:
		case err != nil:
			log.Println(err)
		default:
			_ = r.learn(ctx, profile)
		}
	}
}

// learn tells of a status that is new. It is given the same profile twice, by a call and by the
// watch, and may be given what has been overtaken by something newer.
func (r *reviews) learn(_ context.Context, profile *trusthub.CustomerProfile) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.seen[profile.SID]
	if before != nil && (before.Status == profile.Status || updatedBefore(profile, before)) {
		return nil
	}
	r.seen[profile.SID] = profile
	r.tell(profile)
	return nil
}

func updatedBefore(a, b *trusthub.CustomerProfile) bool {
	return a.DateUpdated != nil && b.DateUpdated != nil && a.DateUpdated.Before(*b.DateUpdated)
}
