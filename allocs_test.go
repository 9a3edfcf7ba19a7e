package trusthub_test

import (
	"context"
	"slices"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// fetched is a profile of the documented size. It stays as it is when the document gains a property.
const fetched = `{"sid":"` + sid + `","account_sid":"ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","policy_sid":"RNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",` +
	`"friendly_name":"friendly_name","status":"draft","valid_until":null,"email":"email","status_callback":"http://www.example.com",` +
	`"date_created":"2019-07-30T22:29:24Z","date_updated":"2019-07-31T01:09:00Z","url":"https://trusthub.twilio.com/v1/CustomerProfiles/` + sid + `",` +
	`"links":{"evaluations":"` + longURL + `","entity_assignments":"` + longURL + `","channel_endpoint_assignment":"` + longURL + `"},"errors":[{"code":18601}]}`

const longURL = "https://trusthub.twilio.com/v1/CustomerProfiles/" + sid + "/ChannelEndpointAssignments"

const (
	mostAllocations = 40
	mostInABatch    = 45
)

// The allocations of a fetch, the response of the transport included, stay what they are, and so do
// those of a SID in a batch.
func TestAllocations(t *testing.T) {
	without := allocationsOfAFetch(t)
	with := allocationsOfAFetch(t, trusthub.WithHooks(trusthub.Hooks{
		CallStart:    func(ctx context.Context, _ trusthub.CallInfo) context.Context { return ctx },
		AttemptStart: func(ctx context.Context, _ trusthub.AttemptInfo) context.Context { return ctx },
		AttemptDone:  func(context.Context, trusthub.AttemptInfo) {},
		CallDone:     func(context.Context, trusthub.CallInfo) {},
	}))
	inBatch := allocationsInABatch(t)
	t.Logf("%.0f allocations, %.0f with hooks, %.1f in a batch", without, with, inBatch)
	if apitest.Race {
		return
	}
	if without > mostAllocations || with > mostAllocations+2 {
		t.Errorf("%.0f allocations a fetch, %d at most; %.0f with hooks, two more at most", without, mostAllocations, with)
	}
	if inBatch > mostInABatch {
		t.Errorf("%.1f allocations a SID in a batch, %d at most", inBatch, mostInABatch)
	}
}

func allocationsOfAFetch(t *testing.T, opts ...trusthub.Option) float64 {
	t.Helper()
	client := apitest.Over(t, apitest.CannedJSON(fetched), opts...)
	ctx := t.Context()
	return testing.AllocsPerRun(1000, func() {
		if _, err := client.FetchCustomerProfile(ctx, sid); err != nil {
			t.Fatal(err)
		}
	})
}

func allocationsInABatch(t *testing.T) float64 {
	t.Helper()
	client := apitest.Over(t, apitest.CannedJSON(fetched))
	const sids = 1000
	return testing.AllocsPerRun(5, func() {
		for result := range client.FetchCustomerProfiles(t.Context(), slices.Values(slices.Repeat([]string{sid}, sids))) {
			if result.Err != nil {
				t.Fatal(result.Err)
			}
		}
	}) / sids
}
