// Package e2e_test tests clients against APIs that fail, throttle and recover, in virtual time.
package e2e_test

import (
	"context"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const sid = trusthubtest.ExampleSID

// fetch fetches the example and returns the status of the response.
func fetch(ctx context.Context, c *trusthub.Client) (status int, err error) {
	var response trusthub.Response
	_, err = c.FetchCustomerProfile(ctx, sid, trusthub.WithResponseInto(&response))
	return response.StatusCode, err
}
