package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
	"github.com/seed07fc1495/trusthub/internal/decode"
	"github.com/seed07fc1495/trusthub/internal/properties"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// tracking is a watch of many profiles, or of one with a state or callbacks.
type tracking struct {
	in              input
	args            []string
	every           time.Duration
	ndjson          bool
	state           string // a file
	address, public string // of callbacks
	stdin           io.Reader
	stdout, stderr  io.Writer

	single  bool     // it ends with the review
	rereads bool     // the SIDs are in a file, which each sweep reads
	read    []string // the SIDs, as they were read last
	cancel  context.CancelCauseFunc
	mu      sync.Mutex
	earlier *earlier // the state; nil: none
}

// run tracks until ctx ends, or the review of a single profile does.
func (t *tracking) run(ctx context.Context, client *trusthub.Client) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	defer func() { _ = t.earlier.Close() }()
	if end := t.earlierEnd(ctx, client); end != nil {
		return unlessApproved(end)
	}
	tracker, err := client.NewTracker(trusthub.TrackerConfig{SIDs: t.sids, Every: t.every, Known: t.known})
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.cancel = cancel
	stop, err := t.listen(tracker)
	if err != nil {
		return err
	}
	defer stop()
	err = tracker.Run(inner, t.handle)
	switch cause := context.Cause(inner); {
	case ctx.Err() != nil:
		return failed(errInterrupted)
	case inner.Err() != nil:
		return unlessApproved(cause)
	}
	return failed(err)
}

// errApproved ends the watch of one profile.
var errApproved = errors.New("approved")

func unlessApproved(err error) error {
	if errors.Is(err, errApproved) {
		return nil
	}
	return err
}

// earlierEnd returns the end of a review that the state has already, if Twilio has it still. The
// tracker would find no change.
func (t *tracking) earlierEnd(ctx context.Context, client *trusthub.Client) error {
	if !t.single {
		return nil
	}
	known, err := t.known(ctx, t.read[0])
	if err != nil || known == nil || endOf(known.Status) == nil {
		return nil //nolint:nilerr // the tracker reports it
	}
	if now, err := client.FetchCustomerProfile(ctx, t.read[0]); err != nil || now.Status != known.Status {
		return nil //nolint:nilerr // the tracker reports it
	}
	return endOf(known.Status)
}

// endOf returns the end of a review with a status; nil: it has not ended.
func endOf(status trusthub.CustomerProfileStatus) error {
	switch status {
	case trusthub.StatusTwilioApproved:
		return errApproved
	case trusthub.StatusTwilioRejected:
		return failure{code: exitRejected}
	}
	return nil
}

// open reads what can be read once, and looks whether the rest can be.
func (t *tracking) open(ctx context.Context) error {
	source, err := within(ctx, t.readSIDs)
	if err != nil {
		return err
	}
	info, missing := os.Stat(t.in.from)
	t.rereads = missing == nil && info.Mode().IsRegular()
	if err := source.report(t.stderr); err != nil {
		return err
	}
	if broken := source.broken.Load(); broken != nil {
		return failed(fmt.Errorf("reading the SIDs: %w", *broken))
	}
	if t.state != "" {
		t.earlier, err = openState(ctx, t.state)
	}
	return err
}

// readSIDs reads all SIDs, unless that fails.
func (t *tracking) readSIDs() (*sidSource, error) {
	source, err := t.in.open(t.args, t.stdin, new(earlier), false)
	if err != nil {
		return nil, err
	}
	defer source.close()
	if read := slices.Collect(source.sids); source.broken.Load() == nil {
		t.read = read
	}
	return source, nil
}

// sids returns the SIDs of a file as it is now, so that SIDs can be added and removed. When it
// cannot be read, the SIDs stay as they were.
func (t *tracking) sids() iter.Seq[string] {
	if t.rereads {
		source, err := t.readSIDs()
		if err != nil {
			fmt.Fprintln(t.stderr, err)
		} else if broken := source.broken.Load(); broken != nil {
			fmt.Fprintf(t.stderr, "trusthub: reading the SIDs: %v\n", *broken)
		}
	}
	return slices.Values(t.read)
}

// known returns the profile of a SID in the state; nil after a failure, so that the next profile is
// recorded even if it equals the one before.
func (t *tracking) known(_ context.Context, sid string) (*trusthub.CustomerProfile, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.earlier == nil {
		return nil, nil //nolint:nilnil // nothing is known
	}
	key := strings.ToUpper(sid)
	if _, failed := t.earlier.failures[key]; failed || t.earlier.profiles[key] == nil {
		return nil, nil //nolint:nilnil // nothing is known
	}
	profile := new(trusthub.CustomerProfile)
	return profile, decode.Model(t.earlier.profiles[key], profile)
}

// listen receives callbacks, if that is asked for.
func (t *tracking) listen(tracker *trusthub.Tracker) (stop func(), err error) {
	if t.address == "" {
		return func() {}, nil
	}
	named, err := keysFromEnv()
	if err != nil {
		return nil, err
	}
	var keys []trusthub.SigningKey
	for _, key := range named {
		keys = append(keys, trusthub.SigningKey(key.Key))
	}
	handler, err := tracker.CallbackHandler(trusthub.CallbackConfig{PublicURL: t.public, Keys: keys})
	if err != nil {
		return nil, fmt.Errorf("trusthub: --public-url: want https://host, with a port and a path if there are any: %w", err)
	}
	listener, err := net.Listen("tcp", t.address)
	if err != nil {
		return nil, failed(err)
	}
	fmt.Fprintf(t.stderr, "trusthub: callbacks are received at http://%s; the status_callback of a profile is %s/SID\n", listener.Addr(), strings.TrimSuffix(t.public, "/"))
	server := &http.Server{Handler: belowPath(t.public, handler), ReadTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	return func() { _ = server.Close() }, nil
}

// belowPath returns a handler for requests whose path begins with that of the public URL, and for
// those from which a proxy has cut it off.
func belowPath(public string, handler http.Handler) http.Handler {
	u, err := url.Parse(public)
	if err != nil {
		return handler
	}
	prefix := strings.TrimSuffix(u.Path, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if prefix != "" && strings.HasPrefix(r.URL.Path, prefix+"/") {
			http.StripPrefix(prefix, handler).ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// handle prints a change, and then adds it to the state: after a crash in between it is printed
// twice.
func (t *tracking) handle(_ context.Context, change trusthub.Change) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	if !t.isRecorded(change) {
		if err = t.print(change); err == nil {
			err = t.record(change)
		}
	}
	switch {
	case err != nil:
		t.cancel(failed(err))
	case t.single:
		t.end(change)
	}
	return err
}

// isRecorded reports whether a change is the error that the state ends with for its SID.
func (t *tracking) isRecorded(change trusthub.Change) bool {
	if t.earlier == nil {
		return false
	}
	key := strings.ToUpper(change.SID)
	before, failed := t.earlier.failures[key]
	if !failed || change.Err == nil {
		return false
	}
	now := newFailedResult(change.SID, change.Err).Error
	return before.Status == now.Status && before.Code == now.Code && before.Final == now.Final
}

// end ends the watch of one profile with its review.
func (t *tracking) end(change trusthub.Change) {
	switch {
	case errors.Is(change.Err, trusthub.ErrInvalidSID):
		t.cancel(errors.New("trusthub: the SID is malformed"))
	case isFinal(change.Err), errors.Is(change.Err, trusthub.ErrForbidden):
		t.cancel(failed(errors.New("the watch ended, and the review did not")))
	case change.After != nil && endOf(change.After.Status) != nil:
		t.cancel(endOf(change.After.Status))
	}
}

func (t *tracking) print(change trusthub.Change) error {
	if t.ndjson {
		line, err := changeLine(change)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.stdout, "%s\n", line)
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "%s  %-34s  %s\n", time.Now().UTC().Format(time.RFC3339), text.Clean(change.SID), changeText(change))
	return err
}

// changeText is a change in one line.
func changeText(change trusthub.Change) string {
	if change.Err != nil {
		return "ERROR: " + text.Clean(change.Err.Error())
	}
	now := rows(change.After)
	line := state(change.After, now)
	if change.Before != nil {
		line = strings.Join(changes(rows(change.Before), now), "; ")
	}
	if change.Event != nil && change.Event.FailureReason != "" {
		line += "; Twilio says: " + text.Clean(change.Event.FailureReason)
	}
	return line
}

// changeLine is a change in JSON.
func changeLine(change trusthub.Change) ([]byte, error) {
	line := struct {
		SID           string          `json:"sid"`
		PolledAt      *time.Time      `json:"polled_at"`
		Fields        []string        `json:"fields"`
		Before        json.RawMessage `json:"before"`
		After         json.RawMessage `json:"after"`
		FailureReason string          `json:"failure_reason,omitempty"`
		Error         *results.Error  `json:"error,omitempty"`
	}{SID: change.SID, Fields: change.Fields}
	if !change.PolledAt.IsZero() {
		at := change.PolledAt.UTC()
		line.PolledAt = &at
	}
	if change.Event != nil {
		line.FailureReason = change.Event.FailureReason
	}
	if change.Err != nil {
		failed := newFailedResult(change.SID, change.Err)
		line.Error = &failed.Error
	}
	var err1, err2 error
	if change.Before != nil {
		line.Before, err1 = properties.Marshal(change.Before)
	}
	if change.After != nil {
		line.After, err2 = properties.Marshal(change.After)
	}
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return json.Marshal(line)
}

// record adds a change to the state, in the form in which fetch writes results.
func (t *tracking) record(change trusthub.Change) error {
	if t.earlier == nil {
		return nil
	}
	var line []byte
	var err error
	if change.Err != nil {
		line, err = json.Marshal(newFailedResult(change.SID, change.Err))
	} else {
		profile := *change.After
		profile.SID = change.SID
		line, err = properties.Marshal(profile)
	}
	if err != nil {
		return err
	}
	if _, err := t.earlier.file.Write(append(line, '\n')); err != nil {
		return err
	}
	key := strings.ToUpper(change.SID)
	if change.Err != nil {
		t.earlier.failures[key] = newFailedResult(change.SID, change.Err).Error
	} else {
		t.earlier.profiles[key] = line
		delete(t.earlier.failures, key)
	}
	return t.earlier.file.Sync()
}
