package trusthub_test

import (
	"net/http"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// The allocations of a fetch, the answer of the transport included, stay what they are: 48 when this was written.
func TestAllocations(t *testing.T) {
	var response trusthub.Response
	if _, err := over(t, trusthubtest.NewHandler()).FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response)); err != nil {
		t.Fatal(err)
	}
	client := over(t, canned(200, http.Header{"Content-Type": {jsonType}}, string(response.Body)))
	ctx := t.Context()
	allocations := testing.AllocsPerRun(1000, func() {
		if _, err := client.FetchCustomerProfile(ctx, sid); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%.0f allocations", allocations)
	if allocations > mostAllocations {
		t.Errorf("%.0f allocations a fetch, %d at most", allocations, mostAllocations)
	}
}
