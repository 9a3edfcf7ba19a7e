package trusthub_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/apitest"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const sid = trusthubtest.ExampleSID

// TestMain removes credentials and settings from the environment of the tests.
func TestMain(m *testing.M) {
	for _, assignment := range os.Environ() {
		if key, _, _ := strings.Cut(assignment, "="); strings.HasPrefix(key, "TWILIO_") {
			_ = os.Unsetenv(key)
		}
	}
	os.Exit(m.Run())
}

// fetch fetches the example and returns the status of the response.
func fetch(ctx context.Context, c *trusthub.Client) (status int, err error) {
	var response trusthub.Response
	profile, err := c.FetchCustomerProfile(ctx, sid, trusthub.WithResponseInto(&response))
	if (profile == nil) == (err == nil) {
		panic(fmt.Sprintf("profile %v with error %v", profile, err))
	}
	return response.StatusCode, err
}

// fetchFunc is fetch, or the same call by the generated client.
type fetchFunc func(context.Context, *trusthub.Client) (status int, err error)

// inBothWays runs a test with the facade and with the generated client, in a synctest bubble.
func inBothWays(t *testing.T, test func(*testing.T, fetchFunc)) {
	t.Helper()
	for name, fetch := range map[string]fetchFunc{
		"facade": fetch,
		"generated": func(ctx context.Context, c *trusthub.Client) (int, error) {
			answer, err := c.Generated().FetchCustomerProfileWithResponse(ctx, sid)
			if err != nil {
				return 0, err
			}
			return answer.StatusCode(), nil
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, fetch) }) })
	}
}

type roundTripFunc = apitest.RoundTripFunc
