package contract_test

import (
	"testing"

	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
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
			_, err := contract.NewTransport(apitest.Canned(200, headers(), good)).RoundTrip(r)
			if (err == nil) != (method == "") {
				t.Errorf("got %v", err)
			}
		})
	}
}
