package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/seed07fc1495/trusthub/internal/sid"
)

// Bounds on reading a request whose sender is not known yet.
const (
	maxBody       = 64 << 10
	maxAddress    = 16 << 10
	maxParameters = 300
)

// Message is the part of a request that Twilio signs.
type Message struct {
	address Address
	isGet   bool
	body    []byte
	form    url.Values // the form of a body that was parsed before; nil: it was not
}

// Read returns the message of a request to a URL. The body can be read again afterwards. Its errors
// quote nothing of the request.
func Read(r *http.Request, address string) (*Message, error) {
	m := &Message{isGet: r.Method == http.MethodGet}
	var ok bool
	switch m.address, ok = ParseAddress(address); {
	case !ok:
		return nil, errors.New("the URL is malformed: want https://host, with the path and the query that were called")
	case len(address) > maxAddress || strings.Count(address, "&") >= maxParameters:
		return nil, errors.New("the URL is longer than 16 KiB, or has more than 300 parameters")
	}
	var err error
	if m.body, err = peek(r); err != nil {
		return nil, err
	}
	switch {
	case bytes.Count(m.body, []byte("&")) >= maxParameters:
		return nil, errTooMany
	case len(m.body) > 0 || m.isGet:
		return m, nil
	case len(r.PostForm) > 0:
		m.form = r.PostForm
		return m, checkSize(m.form)
	case r.ContentLength > 0:
		return nil, errors.New("the body was read before by something else, and is gone: verify first, or use ParseForm, which keeps it")
	}
	return m, nil
}

var errTooMany = errors.New("the body has more than 300 parameters")

func checkSize(form url.Values) error {
	size, count := 0, 0
	for name, values := range form {
		count += len(values)
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	switch {
	case count > maxParameters:
		return errTooMany
	case size > maxBody:
		return errTooLarge
	}
	return nil
}

var errTooLarge = errors.New("the body is larger than 64 KiB")

// peek reads the body of a request and leaves it to be read again.
func peek(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	rest := r.Body
	body, err := io.ReadAll(io.LimitReader(rest, maxBody+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	switch {
	case err != nil:
		return nil, errors.New("the body cannot be read")
	case len(body) > maxBody:
		return nil, errTooLarge
	}
	return body, nil
}

// Parameters returns what a signature covers besides the URL: the parameters of a form. It returns
// none when the URL has the SHA-256 of the body, which must be right. A GET without a body may have
// the hash of something else (https://github.com/twilio/twilio-php/issues/861).
func (m *Message) Parameters() (url.Values, error) {
	switch hashes := m.hashes(); {
	case m.isGet && len(m.body) == 0:
		return nil, nil
	case len(hashes) > 0 && m.form != nil:
		return nil, errors.New("the URL has the bodySHA256 of a body that was parsed before, and is gone: verify first")
	case len(hashes) > 0:
		sum := sha256.Sum256(m.body)
		if hashes = slices.Compact(hashes); len(hashes) > 1 || hashes[0] != hex.EncodeToString(sum[:]) {
			return nil, errors.New("the body is not the one with the bodySHA256 of the URL")
		}
		return nil, nil
	case m.form != nil:
		return m.form, nil
	}
	form, err := url.ParseQuery(string(m.body))
	if err != nil {
		return nil, errors.New("the body is not a form, and the URL has no bodySHA256")
	}
	return form, nil
}

func (m *Message) hashes() []string {
	parameters, _ := m.address.Parameters()
	return slices.DeleteFunc(parameters["bodySHA256"], func(hash string) bool { return hash == "" })
}

// Values returns the parameters of the message: the query of a GET, the form of a POST, or the
// texts of a JSON object. It returns nil when they cannot be read.
func (m *Message) Values() (values url.Values) {
	var err error
	object, isObject := m.document().(map[string]any)
	switch {
	case m.isGet:
		values, err = m.address.Parameters()
	case m.form != nil:
		return m.form
	case isObject:
		return textMembers(object)
	default:
		values, err = url.ParseQuery(string(m.body))
	}
	if err != nil {
		return nil
	}
	return values
}

func textMembers(object map[string]any) url.Values {
	values := url.Values{}
	for name, value := range object {
		if text, ok := value.(string); ok {
			values.Set(name, text)
		}
	}
	return values
}

// document returns the JSON of the body, or nil if it is not JSON.
func (m *Message) document() (value any) {
	if json.Unmarshal(m.body, &value) != nil {
		return nil
	}
	return value
}

// Subject returns the SID of the profile that the message is about: the last one in the path, or
// else the BundleSid, or else the only one among the values. It returns "" if there is not exactly
// one.
func (m *Message) Subject(path string) string {
	for _, element := range slices.Backward(strings.Split(path, "/")) {
		if sid.IsValid(element) {
			return element
		}
	}
	values := m.Values()
	if found := only(values["BundleSid"]); found != "" {
		return found
	}
	var all []string
	for _, some := range values {
		all = append(all, some...)
	}
	if !m.isGet {
		all = append(all, texts(m.document())...)
	}
	return only(all)
}

// only returns the one SID among values, also if it is repeated in any case, or "".
func only(values []string) (found string) {
	for _, value := range values {
		switch {
		case !sid.IsValid(value) || strings.EqualFold(value, found):
		case found != "":
			return ""
		default:
			found = value
		}
	}
	return found
}

// texts returns all strings in a JSON value.
func texts(value any) (all []string) {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		for _, element := range value {
			all = append(all, texts(element)...)
		}
	case map[string]any:
		for _, member := range value {
			all = append(all, texts(member)...)
		}
	}
	return all
}
