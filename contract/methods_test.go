package contract_test

import (
	"net/http"
	"testing"

	"github.com/seed07fc1495/trusthub/contract"
)

// Methods that HTTP knows nothing of are undocumented, and an empty one is GET, as net/http has it.
func TestMethods(t *testing.T) {
	for _, method := range []string{"", "PROPFIND", "get"} {
		t.Run(method, func(t *testing.T) {
			defer func() {
				if value := recover(); value != nil {
					t.Errorf("panic: %v", value)
				}
			}()
			r := request("GET", path)
			r.Method = method
			_, err := contract.NewTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
				return canned(200, headers(), good)(req)
			})).RoundTrip(r)
			if (err == nil) != (method == "") {
				t.Errorf("got %v", err)
			}
		})
	}
}
