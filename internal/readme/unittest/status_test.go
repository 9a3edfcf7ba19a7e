package unittest

import (
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func TestStatus(t *testing.T) {
	const sid = "BU0123456789abcdef0123456789abcdef"
	server := trusthubtest.NewServer(t)
	server.Put(trusthub.CustomerProfile{SID: sid, Status: trusthub.StatusInReview})
	// A violation of the contract fails the test, not the call.
	observe := contract.Observe(func(v *contract.Violation) { t.Error(v) })
	client := server.Client(trusthub.WithMiddleware(observe))

	profile, err := client.FetchCustomerProfile(t.Context(), sid) // your code does this
	if err != nil || profile.Status != trusthub.StatusInReview {
		t.Errorf("got %v, %v", profile, err)
	}
}
