package contract_test

import (
	"testing"

	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// Unknown methods are undocumented. An empty method means GET, as in net/http.
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
