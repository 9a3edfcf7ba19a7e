// Command scale measures FetchCustomerProfiles on one machine against a server on loopback. Server
// and client run in separate processes, so that the memory is only that of the client.
//
//	go run ./scale
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/lab/answers"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func main() {
	serve := flag.Duration("serve", -1, "internal: be the server, and hold each request so long")
	fetch := flag.String("fetch", "", "internal: be the client of the server at this address")
	inFlight := flag.Int("in-flight", 0, "internal: requests at a time")
	sids := flag.Int("sids", 0, "internal: how many SIDs to fetch")
	flag.Parse()
	var err error
	switch {
	case *serve >= 0:
		err = beServer(*serve)
	case *fetch != "":
		err = beClient(*fetch, *inFlight, *sids)
	default:
		err = measure()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func measure() error {
	fmt.Printf("\n| in flight | profiles/s | CPU time for each profile | peak memory |\n|--:|--:|--:|--:|\n")
	for _, inFlight := range []int{1, 16, 64, 256} {
		r, err := run(0, inFlight, 20_000)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %.0f | %v | %.0f MiB |\n", inFlight, r.perSecond, r.processor.Round(time.Microsecond), r.peak)
	}
	const hold = 50 * time.Millisecond
	fmt.Printf("\nEach request held for %v:\n\n| in flight | profiles/s | of the ideal | peak memory |\n|--:|--:|--:|--:|\n", hold)
	for _, inFlight := range []int{1, 16, 64, 256} {
		r, err := run(hold, inFlight, 100*inFlight)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %.0f | %.0f%% | %.0f MiB |\n", inFlight, r.perSecond, 100*r.perSecond*hold.Seconds()/float64(inFlight), r.peak)
	}
	fmt.Printf("\n64 in flight:\n\n| SIDs | profiles/s | peak memory |\n|--:|--:|--:|\n")
	for _, sids := range []int{10_000, 100_000, 1_000_000} {
		r, err := run(0, 64, sids)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %.0f | %.0f MiB |\n", sids, r.perSecond, r.peak)
	}
	return nil
}

// row is the result of one client.
type row struct {
	perSecond float64
	processor time.Duration // per profile
	peak      float64       // MiB
}

// run measures one row in two processes.
func run(hold time.Duration, inFlight, sids int) (row, error) {
	server := exec.Command(os.Args[0], "-serve", hold.String()) //nolint:gosec // G204: itself
	out, err := server.StdoutPipe()
	if err != nil {
		return row{}, err
	}
	if err := server.Start(); err != nil {
		return row{}, err
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	var address string
	if _, err := fmt.Fscanln(out, &address); err != nil {
		return row{}, err
	}
	client := exec.Command(os.Args[0], "-fetch", address, "-in-flight", strconv.Itoa(inFlight), "-sids", strconv.Itoa(sids)) //nolint:gosec // G204: itself
	client.Stderr = os.Stderr
	text, err := client.Output()
	if err != nil {
		return row{}, err
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		return row{}, err
	}
	usage := client.ProcessState.SysUsage().(*syscall.Rusage)
	processor := client.ProcessState.UserTime() + client.ProcessState.SystemTime()
	return row{float64(sids) / r.Seconds, processor / time.Duration(sids), float64(usage.Maxrss) / 1024}, nil
}

type result struct{ Seconds float64 }

func beServer(hold time.Duration) error {
	body := string(answers.Example())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(hold)
		w.Header().Set("Content-Type", "application/json")
		sid := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		_, _ = io.WriteString(w, strings.Replace(body, trusthubtest.ExampleSID, sid, 1)) //nolint:gosec // G705: JSON of a benchmark
	})}
	return server.Serve(listener)
}

func beClient(address string, inFlight, sids int) error {
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password),
		trusthub.WithBaseURL(address), trusthub.WithMaxConcurrency(inFlight))
	if err != nil {
		return err
	}
	start, fetched := time.Now(), 0
	for r := range client.FetchCustomerProfiles(context.Background(), func(yield func(string) bool) {
		for i := range sids {
			if !yield(fmt.Sprintf("BU%032x", i)) {
				return
			}
		}
	}) {
		if r.Err != nil {
			return r.Err
		}
		fetched++
	}
	if fetched != sids {
		return fmt.Errorf("%d results for %d SIDs", fetched, sids)
	}
	return json.NewEncoder(os.Stdout).Encode(result{time.Since(start).Seconds()})
}
