//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Each script tests one behaviour, with commands as users type them.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ACCOUNT_SID", "AUTH_TOKEN", "API_KEY", "API_SECRET", "EDGE", "REGION", "NEXT_AUTH_TOKEN", "SHARED_KEY_ID", "SHARED_KEY_SECRET", "NEXT_SHARED_KEY_ID", "NEXT_SHARED_KEY_SECRET"} {
				env.Setenv("TWILIO_"+name, "")
			}
			nightly, err := filepath.Abs("testdata/nightly.sh")
			env.Setenv("NIGHTLY", nightly)
			env.Setenv("SID", sid)
			env.Setenv("UNKNOWN", unknown)
			env.Setenv("USERNAME", trusthubtest.Username)
			env.Setenv("PASSWORD", trusthubtest.Password)
			env.Values[background] = make(map[string]*exec.Cmd)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"start":   start,
			"line":    line,
			"signal":  signalTo,
			"ended":   ended,
			"request": request,
		},
	})
}

// docs/COMMAND.md contains the script of the nightly audit that a test runs.
func TestDocumentHasTheNightlyAudit(t *testing.T) {
	document, err := os.ReadFile("../../docs/COMMAND.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("testdata/nightly.sh")
	if err != nil || !bytes.Contains(document, program) {
		t.Errorf("docs/COMMAND.md does not have testdata/nightly.sh, %v", err)
	}
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"trusthub": main,
		"stubborn": func() { // continues after the signal
			ctx := untilSignal()
			_, _ = io.WriteString(os.Stdout, "ready\n")
			<-ctx.Done()
			_, _ = io.WriteString(os.Stdout, "told\n")
			select {}
		},
	})
}

// exits CODE COMMAND... runs a command and checks its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

const background = "the processes in the background"

func processes(ts *testscript.TestScript) map[string]*exec.Cmd {
	return ts.Value(background).(map[string]*exec.Cmd)
}

// start NAME COMMAND... starts a command in the background, with output to NAME.out and NAME.err.
func start(ts *testscript.TestScript, _ bool, args []string) {
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, name := range []string{"PATH", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	errs, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = out, errs
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = out.Close()
		_ = errs.Close()
	})
	processes(ts)[args[0]] = cmd
}

// line FILE PATTERN [VARIABLE] waits for a line in a file. It sets the variable to the first group
// of the pattern.
func line(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[1])
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(ts.MkAbs(args[0])) // empty if the file does not exist yet
		found := pattern.FindSubmatch(text)
		switch {
		case found != nil && len(args) > 2:
			ts.Setenv(args[2], string(found[1]))
			return
		case found != nil:
			return
		case time.Now().After(deadline):
			ts.Fatalf("%s has no line %s:\n%s", args[0], args[1], text)
		}
	}
}

// signal NAME INT|TERM sends a signal to a process and its children, as a terminal does.
func signalTo(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[1]]
	ts.Check(syscall.Kill(-processes(ts)[args[0]].Process.Pid, sig))
}

// ended NAME HOW waits for the end of a process. HOW is "signal: interrupt" or "exit status 1", for
// example.
func ended(ts *testscript.TestScript, _ bool, args []string) {
	cmd := processes(ts)[args[0]]
	_ = cmd.Wait()
	if how := cmd.ProcessState.String(); !strings.HasPrefix(how, args[1]) {
		ts.Fatalf("%s ended by %s, want %s", args[0], how, args[1])
	}
}

// request METHOD URL [BODY] sends a request and prints the response. It must succeed, or fail with
// !.
func request(ts *testscript.TestScript, fails bool, args []string) {
	req, err := http.NewRequestWithContext(context.Background(), args[0], args[1], strings.NewReader(strings.Join(args[2:], "")))
	ts.Check(err)
	answer, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer answer.Body.Close()
	_, err = io.Copy(ts.Stdout(), answer.Body)
	ts.Check(err)
	if (answer.StatusCode >= 400) != fails {
		ts.Fatalf("got the status %s", answer.Status)
	}
}
