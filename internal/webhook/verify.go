package webhook

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed07fc1495/trusthub/internal/text"
)

// MaxKeys bounds the number of comparisons, and so the cost of a forged signature.
const MaxKeys = 4

// ErrUnsigned means that a request has no signature at all.
var ErrUnsigned = errors.New("the header " + SignatureHeader + " is missing")

// Verify returns the message of a request that one of the keys has signed. The body can be read
// again. The error says what is wrong. It quotes only the key id and the algorithm in the request's
// header.
func Verify(r *http.Request, address string, keys []Key) (*Message, error) {
	signature, err := one(r.Header, SignatureHeader)
	switch {
	case err != nil:
		return nil, err
	case signature == "":
		return nil, ErrUnsigned
	}
	algorithm, keys, err := choose(r.Header, keys)
	switch {
	case err != nil:
		return nil, err
	// such a signature cannot be valid, and the body need not be read
	case len(signature) != algorithm.length():
		return nil, errors.New("the header " + SignatureHeader + " does not hold a signature by " + string(algorithm))
	}
	message, err := Read(r, address)
	if err != nil {
		return nil, err
	}
	parameters, err := message.Parameters()
	if err != nil {
		return nil, err
	}
	valid, signed := 0, Text(parameters)
	for _, key := range keys {
		for _, spelling := range message.address.spellings() {
			valid |= subtle.ConstantTimeCompare([]byte(signature), []byte(key.Sign(algorithm, spelling, signed)))
		}
	}
	switch {
	case valid == 0 && r.ContentLength < 0 && len(message.body) == 0 && !message.isGet:
		return nil, errors.New("the signature does not match the URL and an empty body: was it read before? Verify first, or use ParseForm, which keeps it")
	case valid == 0:
		return nil, errors.New("the signature does not match the URL, the parameters and the key")
	}
	return message, nil
}

// choose returns the algorithm of a signature and the keys to compare with: without SettingsHeader
// the auth tokens, with it the SharedKey in that header.
func choose(header http.Header, keys []Key) (algorithm Algorithm, chosen []Key, err error) {
	var id string
	algorithm = SHA1
	if len(header.Values(SettingsHeader)) > 0 {
		if id, algorithm, err = settings(header); err != nil {
			return "", nil, err
		}
	}
	usable := 0
	for _, key := range keys {
		if key.IsZero() {
			continue
		}
		usable++
		if key.id == id {
			chosen = append(chosen, key)
		}
	}
	switch {
	case id != "" && len(chosen) > 1:
		return "", nil, errors.New("several keys have the id that " + SettingsHeader + " names")
	case usable > MaxKeys:
		return "", nil, fmt.Errorf("there are more than %d keys to verify it with", MaxKeys)
	case len(chosen) > 0:
		return algorithm, chosen, nil
	case id == "":
		return "", nil, errors.New("there is no auth token to verify it with, and the header " + SettingsHeader + " is missing")
	}
	return "", nil, fmt.Errorf("the SharedKey %q that %s names is not among the keys", text.Printable(id, 80), SettingsHeader)
}

// settings reads "key=…,algorithm=…".
func settings(header http.Header) (id string, algorithm Algorithm, err error) {
	value, err := one(header, SettingsHeader)
	if err != nil {
		return "", "", err
	}
	found := make(map[string]string)
	for part := range strings.SplitSeq(value, ",") {
		name, setting, _ := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); found[name] != "" {
			return "", "", errors.New("the header " + SettingsHeader + " names something twice")
		}
		found[name] = strings.TrimSpace(setting)
	}
	algorithm = Algorithm(strings.ToUpper(found["algorithm"]))
	switch {
	case found["key"] == "" || algorithm == "":
		return "", "", errors.New("the header " + SettingsHeader + " does not name a key and an algorithm")
	case algorithm.hash() == nil:
		return "", "", fmt.Errorf("the algorithm %q that %s names is not known", text.Printable(found["algorithm"], 40), SettingsHeader)
	}
	return found["key"], algorithm, nil
}

// one returns the value of a header that must not be repeated.
func one(header http.Header, name string) (string, error) {
	values := header.Values(name)
	switch {
	case len(values) > 1:
		return "", errors.New("the header " + name + " is there more than once")
	case len(values) == 0:
		return "", nil
	case len(values[0]) > 1<<10:
		return "", errors.New("the header " + name + " is longer than 1 KiB")
	}
	return values[0], nil
}
