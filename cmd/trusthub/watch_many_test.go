package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const other = "BU0123456789abcdef0123456789abcdef"

// output is what a command prints while a test reads it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// waitFor waits until a condition holds, 10 s at most.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("timed out: %s", what)
}

func newServer(t *testing.T) *trusthubtest.Server {
	t.Setenv("TWILIO_ACCOUNT_SID", trusthubtest.Username)
	t.Setenv("TWILIO_AUTH_TOKEN", trusthubtest.Password)
	return trusthubtest.NewServer(t)
}

// startWatch runs a watch with short sweeps, until stop is called.
func startWatch(t *testing.T, server *trusthubtest.Server, args ...string) (out *output, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	out = new(output)
	var running sync.WaitGroup
	running.Go(func() {
		run(ctx, append([]string{"watch", "--every", "20ms", "--base-url", server.URL}, args...), nil, out, io.Discard)
	})
	return out, func() { cancel(); running.Wait() }
}

// The end of the context, as by a signal, ends a command that waits for its input or for the lock.
func TestEndsWhileWaiting(t *testing.T) {
	name := filepath.Join(t.TempDir(), "r.ndjson")
	held, err := openEarlier(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	for _, args := range [][]string{
		{"fetch", "-"},
		{"fetch", "-", "--column", "sid"},
		{"check", "-"},
		{"watch", "-"},
		{"fetch", sid, "--resume", name},
		{"watch", sid, "--state", name},
	} {
		stdin, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if code := run(ctx, append(args, "--fake"), stdin, io.Discard, io.Discard); code != 1 {
			t.Errorf("%q: exit %d", args, code)
		}
		_ = w.Close()
	}
}

// A watch of one profile ends when the state has the end of its review already.
func TestWatchEndsWithKnownReview(t *testing.T) {
	server := newServer(t)
	for status, want := range map[trusthub.CustomerProfileStatus]int{trusthub.StatusTwilioApproved: 0, trusthub.StatusTwilioRejected: 3} {
		server.Put(trusthub.CustomerProfile{SID: other, Status: status})
		state := filepath.Join(t.TempDir(), "s.ndjson")
		for range 2 {
			if code := run(t.Context(), []string{"watch", other, "--state", state, "--base-url", server.URL}, nil, io.Discard, io.Discard); code != want {
				t.Errorf("%s: exit %d, want %d", status, code, want)
			}
		}
	}
}

// A change is printed once, also when the file of SIDs is away for some sweeps.
func TestWatchWhileTheFileIsAway(t *testing.T) {
	server := newServer(t)
	sids, state := tempFile(t, "sids.txt", other+"\n"), filepath.Join(t.TempDir(), "state.ndjson")
	server.Put(trusthub.CustomerProfile{SID: other, Status: trusthub.StatusDraft})
	run(t.Context(), []string{"fetch", other, "--resume", state, "--base-url", server.URL}, nil, io.Discard, io.Discard)
	out, stop := startWatch(t, server, "--from", sids, "--state", state)
	defer stop()
	server.Put(trusthub.CustomerProfile{SID: other, Status: trusthub.StatusInReview})
	waitFor(t, "the change", func() bool { return strings.Contains(out.String(), "draft -> in-review") })
	for _, move := range [][2]string{{sids, sids + ".away"}, {sids + ".away", sids}} {
		_ = os.Rename(move[0], move[1])
		before := len(server.Requests())
		waitFor(t, "three sweeps", func() bool { return len(server.Requests()) > before+2 })
	}
	if n := strings.Count(out.String(), "draft -> in-review"); n != 1 {
		t.Errorf("the change is printed %d times:\n%s", n, out)
	}
}

// A pipe is read once.
func TestWatchPipe(t *testing.T) {
	server := newServer(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	fmt.Fprintln(w, sid)
	_ = w.Close()
	out, stop := startWatch(t, server, "--from", fmt.Sprintf("/dev/fd/%d", r.Fd()))
	defer stop()
	waitFor(t, "the profile", func() bool { return strings.Contains(out.String(), sid) })
}

// The address that watch prints works, with the path of --public-url or without it, as behind a
// proxy that cuts it off.
func TestWatchCallbacksBelowPath(t *testing.T) {
	server := newServer(t)
	statuses := make(chan int, 1)
	server.CallBack(&http.Client{Transport: apitest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			statuses <- response.StatusCode
		}
		return response, err
	})})
	for _, path := range []string{"", "/trusthub", "/trust%20hub"} {
		server.Put(trusthub.CustomerProfile{SID: other, Status: trusthub.StatusDraft})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		hook := listener.Addr().String()
		_ = listener.Close()
		out, stop := startWatch(t, server, sid, "--callbacks", hook, "--public-url", "http://"+hook+path)
		waitFor(t, "the start", func() bool { return out.String() != "" })
		server.Put(trusthub.CustomerProfile{SID: other, Status: trusthub.StatusInReview, StatusCallback: "http://" + hook + path + "/" + other})
		if status := <-statuses; status != http.StatusNoContent {
			t.Errorf("path %q: status %d", path, status)
		}
		stop()
	}
}
