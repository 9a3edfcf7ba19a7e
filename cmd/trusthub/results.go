package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/cmd/trusthub/internal/results"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// resultFormat writes a stream of results: the header, and each result.
type resultFormat struct {
	begin func(io.Writer) error
	write func(io.Writer, trusthub.FetchResult) error
}

func nothingFirst(io.Writer) error { return nil }

func tableFormat() resultFormat  { return resultFormat{nothingFirst, writeTableRow} }
func ndjsonFormat() resultFormat { return resultFormat{nothingFirst, writeNDJSON} }
func csvFormat() resultFormat    { return resultFormat{writeCSVHeader, writeCSV} }

func writeTableRow(w io.Writer, result trusthub.FetchResult) error {
	state, detail := "ERROR", ""
	if result.Err != nil {
		detail = result.Err.Error()
	} else {
		state, detail = string(result.Profile.Status), result.Profile.FriendlyName
	}
	_, err := fmt.Fprintf(w, "%-34s  %-15s  %s\n", text.Clean(result.SID), orDash(text.Clean(state)), orDash(text.Clean(detail)))
	return err
}

// failedResult is a result without a profile, in JSON.
type failedResult struct {
	SID   string        `json:"sid"`
	Error results.Error `json:"error"`
}

func newFailedResult(sid string, err error) failedResult {
	failed := failedResult{SID: sid, Error: results.Error{Message: err.Error(), Final: isFinal(err)}}
	var apiErr *trusthub.Error
	var decodeErr *trusthub.DecodeError
	switch {
	case errors.As(err, &apiErr):
		failed.Error.Status, failed.Error.RequestID = apiErr.StatusCode, apiErr.RequestID
		if apiErr.FromTwilio() {
			failed.Error.Code = apiErr.Code
		}
	case errors.As(err, &decodeErr):
		failed.Error.Status, failed.Error.RequestID = decodeErr.StatusCode, decodeErr.RequestID
	}
	return failed
}

// isFinal reports whether an error of a SID is final: the SID is malformed, or Twilio does not know
// it. Any other error may come from a proxy, a portal or a wrong address.
func isFinal(err error) bool {
	return errors.Is(err, trusthub.ErrInvalidSID) || errors.Is(err, trusthub.ErrNotFound)
}

// writeNDJSON writes a profile as it was received, with its nulls, in one line.
func writeNDJSON(w io.Writer, result trusthub.FetchResult) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	received := json.RawMessage(result.Response.Body)
	switch {
	case result.Err != nil:
		return encoder.Encode(newFailedResult(result.SID, result.Err))
	case result.Profile.SID != "":
		return encoder.Encode(received)
	}
	var keys map[string]json.RawMessage // the response may omit the SID
	if err := json.Unmarshal(received, &keys); err != nil {
		return err
	}
	keys["sid"] = json.RawMessage(fmt.Sprintf("%q", result.SID))
	return encoder.Encode(keys)
}

func writeCSVHeader(w io.Writer) error { return newSheet(w, false).write(columns(false)) }

func writeCSV(w io.Writer, result trusthub.FetchResult) error {
	r := &results.Result{SID: result.SID, Profile: result.Profile}
	if result.Err != nil {
		r.Error = new(newFailedResult(result.SID, result.Err).Error)
	}
	return newSheet(w, false).write(cells(r, false))
}
