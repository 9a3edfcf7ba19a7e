package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed07fc1495/trusthub"
)

// outageReporter prints a line when an outage holds a batch, and one when the batch continues. It
// reads the SDK's log records about outages, and passes all records to the next handler.
type outageReporter struct {
	slog.Handler
	w     io.Writer
	clear func() // clears the progress bar, whose time left would be wrong; nil: no bar
	mu    sync.Mutex
	cause string // of the current outage; "": none
}

// Enabled reports whether either handler wants a record.
func (r *outageReporter) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || r.Handler.Enabled(ctx, level)
}

// Handle writes a line about an outage.
func (r *outageReporter) Handle(ctx context.Context, record slog.Record) error {
	switch record.Message {
	case "trusthub: an outage pauses the batch":
		r.begin(record)
	case "trusthub: the outage is over":
		r.set("")
		fmt.Fprintln(r.w, "trusthub: the API responds again")
	}
	if !r.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return r.Handler.Handle(ctx, record)
}

func (r *outageReporter) begin(record slog.Record) {
	var reason trusthub.Reason
	var status int64
	var until time.Time
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "reason":
			reason = trusthub.Reason(a.Value.String())
		case "status":
			status = a.Value.Int64()
		case "until":
			until = a.Value.Time()
		}
		return true
	})
	cause := causeOf(reason, int(status))
	r.set(cause)
	if r.clear != nil {
		r.clear()
	}
	line := "trusthub: " + cause
	switch {
	case until.IsZero():
		line += "; waiting"
	case until.After(record.Time):
		line += "; waiting, until " + until.Local().Format("15:04:05") + " at the latest"
	}
	fmt.Fprintln(r.w, line)
}

func (r *outageReporter) set(cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cause = cause
}

// now returns the cause of the current outage; "" if there is none.
func (r *outageReporter) now() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// causeOf describes the cause of an outage.
func causeOf(reason trusthub.Reason, status int) string {
	words := map[trusthub.Reason]string{
		trusthub.ReasonRefused: "no response: connection refused",
		trusthub.ReasonReset:   "no response: the connection broke",
		trusthub.ReasonTorn:    "no complete response: the connection broke",
		trusthub.ReasonDNS:     "no response: the host is unknown",
		trusthub.ReasonTimeout: "no response in time",
		trusthub.ReasonTLS:     "no response: TLS failed",
		trusthub.ReasonAuth:    "the credentials are not available",
	}[reason]
	switch {
	case status != 0:
		return fmt.Sprintf("the response is %d %s", status, http.StatusText(status))
	case words != "":
		return words
	}
	return "no response: " + string(reason)
}
