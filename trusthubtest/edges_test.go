package trusthubtest_test

import (
	"net/http"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// A callback that cannot be made has no consequence, says CallBack.
func TestCallBackNeverPanics(*testing.T) {
	h := trusthubtest.NewHandler()
	h.CallBack(http.DefaultClient)
	profile := trusthub.CustomerProfile{SID: trusthubtest.ExampleSID, Status: trusthub.StatusInReview, StatusCallback: "http://127.0.0.1:1/x?bodySHA256=00"}
	h.Put(profile)
}

// decide gets a copy, which it may keep: what it does to it is not seen in Requests.
func TestFailFuncCopy(t *testing.T) {
	s := trusthubtest.NewServer(t)
	s.FailFunc(func(r *http.Request) (trusthubtest.Fault, bool) {
		r.Header.Set("Mine", "yes")
		return trusthubtest.Fault{}, false
	})
	if _, err := s.Client().FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID); err != nil {
		t.Fatal(err)
	}
	if s.Requests()[0].Header.Get("Mine") != "" {
		t.Error("the request that is kept was changed")
	}
}
