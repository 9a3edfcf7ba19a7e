package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

var outage = flag.Duration("outage", 5*time.Second, "how long the API is down in TestKilled and TestFromPython")

const (
	account1, token1 = trusthubtest.Username, trusthubtest.Password
	account2, token2 = "AC0123456789abcdef0123456789abcdef", "the auth token of another account"
)

// TestMain also runs the program itself, in a process that a test starts.
func TestMain(m *testing.M) {
	if os.Getenv("REVIEWS_TEST_RUNS_MAIN") != "" {
		os.Args = append(os.Args[:1], strings.Split(os.Getenv("REVIEWS_TEST_RUNS_MAIN"), "\n")...)
		main()
		return
	}
	os.Exit(m.Run())
}

// world has the fake, the files of the program and its process.
type world struct {
	t       *testing.T
	fake    *trusthubtest.Server
	down    atomic.Bool
	dir     string
	address string
	process *exec.Cmd
	status  []trusthub.CustomerProfileStatus // current status by profile
}

func newWorld(t *testing.T, profiles int) *world {
	t.Helper()
	w := &world{t: t, fake: trusthubtest.NewServer(t), dir: t.TempDir(), status: make([]trusthub.CustomerProfileStatus, profiles)}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // reserves a port for all runs
	if err != nil {
		t.Fatal(err)
	}
	w.address = listener.Addr().String()
	_ = listener.Close()
	w.fake.AddAccount(account2, token2)
	w.fake.FailFunc(func(*http.Request) (trusthubtest.Fault, bool) { return trusthubtest.Fault{Status: 503}, w.down.Load() })
	files := map[string]string{account1: "name,profile_sid\n", account2: "name,profile_sid\n"}
	for i := range profiles {
		w.put(i, trusthub.StatusInReview)
		files[accountOf(i)] += "Acme," + sidOf(i) + "\n"
	}
	for account, content := range files {
		if err := os.WriteFile(w.file(account), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	calls := &http.Client{Transport: new(http.Transport)}
	t.Cleanup(calls.CloseIdleConnections)
	w.fake.CallBack(calls)
	return w
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

func sidOf(i int) string { return fmt.Sprintf("BU%032x", i+1) }

func accountOf(i int) string { return []string{account1, account2}[i%2] }

// put changes a profile and waits for the response to its callback.
func (w *world) put(i int, status trusthub.CustomerProfileStatus) {
	w.status[i] = status
	profile := trusthub.CustomerProfile{
		SID: sidOf(i), AccountSID: accountOf(i), Status: status,
		StatusCallback: "http://" + w.address + "/trusthub/" + accountOf(i) + "/" + sidOf(i),
	}
	if status == trusthub.StatusTwilioRejected {
		profile.Errors = []trusthub.CustomerProfileError{{Code: 18603}}
	}
	w.fake.Put(profile)
}

// start starts the program and waits until it is ready.
func (w *world) start() {
	w.t.Helper()
	w.launch()
	w.await("readiness", time.Minute, func() bool { return w.get("/readyz") != "" })
}

func (w *world) launch() {
	w.t.Helper()
	w.process = exec.Command(os.Args[0])
	w.process.Env = append(os.Environ(), "TWILIO_AUTH_TOKEN_"+account1+"="+token1, "TWILIO_AUTH_TOKEN_"+account2+"="+token2,
		"REVIEWS_TEST_RUNS_MAIN="+strings.Join([]string{
			"-database", w.file("reviews.db"), "-listen", w.address, "-public", "http://" + w.address, "-base-url", w.fake.URL, "-every", "5s",
			"-account", account1 + "=" + w.file(account1), "-account", account2 + "=" + w.file(account2),
		}, "\n"))
	log, err := os.OpenFile(w.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	w.process.Stderr = log
	if err := w.process.Start(); err != nil {
		w.t.Fatal(err)
	}
}

// end sends a signal to the program and returns the error of its process.
func (w *world) end(signal syscall.Signal) error {
	_ = w.process.Process.Signal(signal)
	return w.process.Wait()
}

// get returns the body at a path of the program; "" after an error.
func (w *world) get(path string) string {
	response, err := http.Get("http://" + w.address + path)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return ""
	}
	return string(body) + " "
}

func (w *world) await(what string, most time.Duration, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(most); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(w.file("log"))
			w.t.Fatalf("no %s; the log ends with\n%s", what, log[max(0, len(log)-3000):])
		}
	}
}

// outbox returns the messages of each profile in order, and the number of sent ones.
func (w *world) outbox() (messages map[string][]message, sent int) {
	w.t.Helper()
	db, err := openStore(w.t.Context(), w.file("reviews.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(w.t.Context(), "SELECT account, sid, status, reasons, sent FROM outbox ORDER BY number")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	messages = make(map[string][]message)
	for rows.Next() {
		var m message
		var isSent int
		if err := rows.Scan(&m.account, &m.sid, &m.status, &m.reasons, &isSent); err != nil {
			w.t.Fatal(err)
		}
		messages[m.sid] = append(messages[m.sid], m)
		sent += isSent
	}
	return messages, sent
}

// isComplete reports whether every profile has a sent message with its current status.
func (w *world) isComplete() bool {
	messages, sent := w.outbox()
	all := 0
	for i, status := range w.status {
		m := messages[sidOf(i)]
		if all += len(m); len(m) == 0 || m[len(m)-1].status != string(status) {
			return false
		}
	}
	return sent == all
}

// Every change is in the outbox once, for 2,000 profiles of two accounts and 300 changes with
// callbacks. The program is killed twice, and there is an outage during the first sweep. To run it
// with a longer outage:
//
//	go test -run TestKilled -outage 40s .
func TestKilled(t *testing.T) {
	w := newWorld(t, 2000)
	w.fake.LimitConcurrency(20)
	w.fake.Delay(50 * time.Millisecond)
	changed := 0
	change := func(n int, pause time.Duration) {
		for range n {
			w.put(changed*6, []trusthub.CustomerProfileStatus{trusthub.StatusTwilioApproved, trusthub.StatusTwilioRejected}[changed%2])
			changed++
			time.Sleep(pause)
		}
	}
	w.start()
	time.Sleep(2 * time.Second) // during the first sweep
	w.down.Store(true)
	began := time.Now()
	change(50, *outage/200)
	_ = w.end(syscall.SIGKILL)
	w.start()
	change(50, *outage/200)
	time.Sleep(time.Until(began.Add(*outage)))
	w.down.Store(false)
	change(100, 10*time.Millisecond)
	_ = w.end(syscall.SIGKILL)
	change(20, 0) // the program is not running
	w.start()
	change(80, 10*time.Millisecond)
	w.await("complete table", 2*time.Minute, w.isComplete)
	metrics := w.get("/metrics")
	for _, want := range []string{`trusthub_tracker_profiles{account="` + account2 + `"} 1000`, `trusthub_tracker_pending{account="` + account1 + `"}`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
	if w.get("/healthz") == "" {
		t.Error("not healthy")
	}
	if err := w.end(syscall.SIGTERM); err != nil {
		t.Errorf("ended by SIGTERM: %v", err)
	}
	messages, _ := w.outbox()
	words := 0
	for i := range w.status {
		m := messages[sidOf(i)]
		if len(m) > 2 || len(m) == 2 && (m[0].status != "in-review" || i%6 != 0) || m[0].account != accountOf(i) {
			t.Errorf("%s: %+v", sidOf(i), m)
		}
		if last := m[len(m)-1]; last.status == "twilio-rejected" && !strings.Contains(last.reasons, "the address cannot be verified (18603)") {
			t.Errorf("%s: %+v", sidOf(i), last)
		} else if strings.Contains(last.reasons, "Twilio says") {
			words++
		}
	}
	if words == 0 {
		t.Error("no reason of a callback")
	}
	w.checkLog()
	t.Logf("%d profiles, %d changes, %d with the reason of a callback", len(messages), changed, words)
}

// The test also runs in Python over HTTP, with the standard library and trusthub serve --callbacks.
func TestFromPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	dir := t.TempDir()
	for name, source := range map[string]string{"trusthub": "../../cmd/trusthub", "reviews": "."} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), ".")
		build.Dir = source
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), python, "reviews.py", filepath.Join(dir, "trusthub"), filepath.Join(dir, "reviews"),
		fmt.Sprint(outage.Seconds())).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

// checkLog checks that the log is JSON without errors and without a token.
func (w *world) checkLog() {
	log, err := os.ReadFile(w.file("log"))
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		var record struct{ Level string }
		if json.Unmarshal([]byte(line), &record) != nil || record.Level == "ERROR" {
			w.t.Errorf("logged %s", line)
		}
	}
	if strings.Contains(string(log), token2) {
		w.t.Error("the log has a token")
	}
}

// After SIGTERM in an outage, the process ends soon. The next run finds the queued state, but
// without the FailureReason of the callback.
func TestTerminated(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	w.await("first message", time.Minute, w.isComplete)
	w.down.Store(true)
	w.put(0, trusthub.StatusTwilioRejected)
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	if err := w.end(syscall.SIGTERM); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	w.down.Store(false)
	w.start()
	w.await("second message", time.Minute, w.isComplete)
	if err := w.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	messages, _ := w.outbox()
	if m := messages[sidOf(0)]; len(m) != 2 || m[1].reasons != "the address cannot be verified (18603)" {
		t.Errorf("got %+v", m)
	}
}

// When Twilio rejects the credentials of an account, the program ends with an error that names the
// account.
func TestRejectedCredentials(t *testing.T) {
	w := newWorld(t, 2)
	w.fake.AddAccount(account2, "another token")
	w.launch()
	if err := w.process.Wait(); err == nil {
		t.Error("ended without an error")
	}
	log, _ := os.ReadFile(w.file("log"))
	if !strings.Contains(string(log), "account "+account2+": ") || !strings.Contains(string(log), "401 Unauthorized") {
		t.Errorf("logged %s", log)
	}
}

// An unreadable file or database is an error.
func TestWrongFiles(t *testing.T) {
	for name, content := range map[string]string{"no column": "a,b\n", "empty": ""} {
		file := filepath.Join(t.TempDir(), "sids.csv")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := readColumn(file, "profile_sid", func(string) bool { return true })
		if (err != nil) != (name == "no column") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openStore(t.Context(), filepath.Join(t.TempDir(), "none", "reviews.db")); err == nil {
		t.Error("opened")
	}
}
