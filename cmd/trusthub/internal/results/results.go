// Package results reads the output of trusthub fetch -o ndjson: a line for each SID, with a profile
// or an error. It can read files of millions of lines.
package results

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Error is the failure of a SID.
type Error struct {
	Status    int    `json:"status,omitempty"` // HTTP status; 0: no response
	Code      int    `json:"code,omitempty"`   // Twilio's code
	RequestID string `json:"request_id,omitempty"`
	Message   string `json:"message"`
	Final     bool   `json:"final"` // another fetch would not help
}

// Line is a result. It is valid until the next one is read.
type Line struct {
	SID     []byte
	Status  []byte // of a profile; nil: none
	Failure []byte // an Error in JSON; nil for a profile
	Text    []byte // without the line feed
	Offset  int64  // in the file
	HasEnd  bool   // the line ends with a line feed
}

// Error decodes the failure; nil for a profile.
func (l *Line) Error() *Error {
	e := new(Error)
	if l.Failure == nil || json.Unmarshal(l.Failure, e) != nil {
		return nil
	}
	return e
}

// parsing is how much of a line is parsed.
type parsing int

const (
	whole    parsing = iota // all, so that a malformed line is no result
	briefly                 // up to the SID and the status or error
	unparsed                // nothing: SID, Status and Failure stay nil
)

// Reader reads lines. Use NewReader.
type Reader struct {
	lines   *bufio.Reader
	long    []byte // a line that is longer than the buffer
	sid     []byte
	status  []byte
	text    bytes.Reader
	decoder *jsontext.Decoder
	end     int64
	parsing parsing
}

// NewReader returns a reader of a file, from its start.
func NewReader(r io.Reader) *Reader {
	reader := &Reader{lines: bufio.NewReaderSize(r, 1<<16)}
	reader.decoder = jsontext.NewDecoder(&reader.text, lenient...)
	return reader
}

// lenient accepts everything that SIDs and errors need.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// Next reads a line into l. If the line is not a result, SID is nil. At the end, the error is
// io.EOF.
func (r *Reader) Next(l *Line) error {
	text, err := r.line()
	if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0) {
		return err
	}
	*l = Line{Offset: r.end, HasEnd: err == nil}
	r.end += int64(len(text))
	if l.Offset == 0 {
		text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors write it
	}
	l.Text = bytes.TrimSpace(text)
	if r.parsing != unparsed {
		r.parse(l)
	}
	return nil
}

func (r *Reader) line() ([]byte, error) {
	text, err := r.lines.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return text, err
	}
	r.long = r.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		r.long = append(r.long, text...)
		text, err = r.lines.ReadSlice('\n')
	}
	r.long = append(r.long, text...)
	return r.long, err
}

// parse finds the SID and the status or error of a line.
func (r *Reader) parse(l *Line) {
	r.text.Reset(l.Text)
	r.decoder.Reset(&r.text, lenient...)
	if token, err := r.decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return
	}
	r.sid, r.status = r.sid[:0], r.status[:0]
	var failure []byte
	for r.decoder.PeekKind() == '"' {
		name, err := r.decoder.ReadValue()
		if err != nil {
			return
		}
		isSID, isStatus, isError := string(name) == `"sid"`, string(name) == `"status"`, string(name) == `"error"`
		value, err := r.decoder.ReadValue()
		switch {
		case err != nil:
			return
		case isSID && value.Kind() == '"':
			r.sid = append(r.sid, value...)
		case isStatus && value.Kind() == '"':
			r.status = append(r.status, value[1:len(value)-1]...)
		case isError && value.Kind() != 'n':
			failure = bytes.Clone(value)
		}
		if r.parsing == briefly && len(r.sid) > 2 && (len(r.status) > 0 || failure != nil) {
			l.SID, l.Status, l.Failure = r.unquotedSID(), r.status, failure
			return
		}
	}
	if _, err := r.decoder.ReadToken(); err != nil || len(r.sid) < 2 || r.sid[0] != '"' {
		return
	}
	if _, err := r.decoder.ReadToken(); errors.Is(err, io.EOF) { // the end of the line
		l.SID, l.Status, l.Failure = r.unquotedSID(), r.status, failure
	}
}

// unquotedSID returns the SID as text. A malformed one may have escapes.
func (r *Reader) unquotedSID() []byte {
	if bytes.IndexByte(r.sid, '\\') < 0 {
		return r.sid[1 : len(r.sid)-1]
	}
	var text string
	_ = json.Unmarshal(r.sid, &text) // cannot fail: it was read before
	return []byte(text)
}

// Key is a well-formed SID, in any case of its digits.
type Key [16]byte

// KeyOf returns the key of a SID; false if it is malformed.
func KeyOf(sid []byte) (key Key, ok bool) {
	digits, found := bytes.CutPrefix(sid, []byte("BU"))
	if !found || len(digits) != 2*len(key) {
		return key, false
	}
	_, err := hex.Decode(key[:], digits)
	return key, err == nil
}
