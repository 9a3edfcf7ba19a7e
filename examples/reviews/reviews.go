// Command reviews follows the reviews of thousands of Customer Profiles in several accounts. It
// records each change once in an outbox in SQLite, and sends it from there. In this example, it
// sends a change by logging it.
//
//	trusthub serve --callbacks                                    # a fake in place of Twilio
//	echo profile_sid > sids.csv; echo BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >> sids.csv
//	TWILIO_AUTH_TOKEN_ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=0123456789abcdef0123456789abcdef \
//		go run . -base-url http://127.0.0.1:8080 -account ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=sids.csv
//
// Each -account is the SID of an account and a CSV file with the column profile_sid. Each sweep
// reads the file again. The auth token of the account is in the variable TWILIO_AUTH_TOKEN_
// followed by the SID. The status_callback of a profile is the -public URL, /trusthub/, the SID of
// the account, a slash and the SID of the profile.
//
// SIGTERM ends the program within a few seconds. It then rejects callbacks, and completes the
// changes that are being recorded. Queued changes are not recorded: the next run finds these states
// in its sweep, but without the FailureReason of the callback. SIGKILL loses nothing else. /healthz
// checks the process, and /readyz the database. Do not make /readyz depend on Twilio, because a
// program without traffic misses its callbacks. /metrics is for Prometheus.
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	registry "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/examples/prometheus"
)

func main() {
	p := program{accounts: make(map[string]string), log: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	database := flag.String("database", "reviews.db", "the file of the database")
	listen := flag.String("listen", "127.0.0.1:9090", "the address to serve at")
	flag.StringVar(&p.public, "public", "http://127.0.0.1:9090", "the URL by which Twilio reaches that address")
	flag.StringVar(&p.baseURL, "base-url", "", "the address of a fake, in place of Twilio's")
	flag.DurationVar(&p.every, "every", time.Hour, "the time between two sweeps")
	flag.Func("account", "`SID=FILE`, an account and the CSV file of its profiles; once for each account", func(value string) error {
		account, file, ok := strings.Cut(value, "=")
		if !ok {
			return errors.New("want SID=FILE")
		}
		p.accounts[account] = file
		return nil
	})
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := p.run(ctx, *database, *listen); err != nil {
		p.log.Error("ended", "error", err)
		os.Exit(1) //nolint:gocritic // the process ends
	}
}

// program has the values of the flags.
type program struct {
	accounts        map[string]string // CSV files by account SID
	public, baseURL string
	every           time.Duration
	log             *slog.Logger
}

// run serves and tracks until ctx ends or a part of the program fails.
func (p *program) run(ctx context.Context, database, listen string) error {
	db, err := openStore(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	mux := operators(db)
	trackers, err := p.track(mux, db)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	p.log.Info("listening", "address", listener.Addr().String())
	// The timeout ends requests of slow or silent senders.
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second}
	running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			cancel(err)
		}
	})
	for account, tracker := range trackers {
		running.Go(func() {
			err := tracker.Run(ctx, func(ctx context.Context, change trusthub.Change) error { return db.record(ctx, account, change) })
			if ctx.Err() == nil {
				cancel(fmt.Errorf("account %s: %w", account, err))
			}
		})
	}
	running.Go(func() { p.send(ctx, db) })
	<-ctx.Done()
	_ = server.Shutdown(context.WithoutCancel(ctx)) // waits only for callbacks in progress
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// operators returns a handler of health checks.
func operators(db *store) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := db.PingContext(r.Context()); err != nil {
			http.Error(w, "no database", http.StatusServiceUnavailable)
		}
	})
	return mux
}

// track returns a tracker for each account and adds its callbacks to mux.
func (p *program) track(mux *http.ServeMux, db *store) (map[string]*trusthub.Tracker, error) {
	series := registry.NewRegistry()
	metrics, err := prometheus.New(series)
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(series, promhttp.HandlerOpts{}))
	trackers := make(map[string]*trusthub.Tracker)
	for account, file := range p.accounts {
		token := os.Getenv("TWILIO_AUTH_TOKEN_" + account)
		options := []trusthub.Option{trusthub.WithLogger(p.log.With("account", account))}
		if p.baseURL != "" {
			options = append(options, trusthub.WithBaseURL(p.baseURL))
		}
		client, err := metrics.NewClient(account, trusthub.BasicAuth(account, token), options...)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", account, err)
		}
		tracker, err := client.NewTracker(trusthub.TrackerConfig{
			SIDs:  func() iter.Seq[string] { return p.sids(file) },
			Every: p.every,
			Known: func(ctx context.Context, sid string) (*trusthub.CustomerProfile, error) {
				return db.known(ctx, account, sid)
			},
		})
		if err != nil {
			return nil, err
		}
		handler, err := tracker.CallbackHandler(trusthub.CallbackConfig{PublicURL: p.public, Keys: []trusthub.SigningKey{trusthub.AuthToken(token)}})
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", account, err)
		}
		mux.Handle("/trusthub/"+account+"/", handler)
		if err := metrics.Observe(account, tracker); err != nil {
			return nil, err
		}
		trackers[account] = tracker
	}
	return trackers, nil
}

// sids yields the column profile_sid of a file, which it reads again for each sweep.
func (p *program) sids(file string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if err := readColumn(file, "profile_sid", yield); err != nil {
			p.log.Error("cannot read the profiles", "file", file, "error", err)
		}
	}
}

func readColumn(name, title string, yield func(string) bool) error {
	file, err := os.Open(name) //nolint:gosec // G304: the operator's own
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	records := csv.NewReader(file)
	header, err := records.Read()
	column := slices.Index(header, title)
	if err == nil && column < 0 {
		err = fmt.Errorf("no column %s", title)
	}
	for err == nil {
		var record []string
		if record, err = records.Read(); err == nil && !yield(record[column]) {
			return nil
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// send sends the messages of the outbox in order. If the process ended before a sent message was
// marked, the message is sent again with the same number. The receiver can detect this.
func (p *program) send(ctx context.Context, db *store) {
	for {
		messages, err := db.unsent(ctx)
		for _, m := range messages {
			p.log.Info("review", "number", m.number, "account", m.account, "sid", m.sid, "status", m.status, "reasons", m.reasons)
			if err = db.markSent(context.WithoutCancel(ctx), m.number); err != nil {
				break
			}
		}
		if err != nil && ctx.Err() == nil {
			p.log.Error("cannot send", "error", err)
		}
		if len(messages) > 0 && err == nil {
			continue
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}
