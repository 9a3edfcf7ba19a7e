package trusthubtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/seed07fc1495/trusthub/internal/signature"
)

// SignCallback signs r as Twilio would, calling url with [Password] as the auth token; the body can be read again. A body
// other than a form needs its SHA-256 in the query of url before, hexadecimal, as bodySHA256. SignCallback panics when it cannot be
// read, or when it is neither.
func SignCallback(r *http.Request, url string) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			panic(fmt.Sprintf("trusthubtest: SignCallback: %v", err))
		}
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	parameters, err := signature.Parameters(url, body)
	if err != nil {
		panic(fmt.Sprintf("trusthubtest: SignCallback: %v", err))
	}
	r.Header.Set(signature.Header, signature.Of(Password, url, parameters))
}
