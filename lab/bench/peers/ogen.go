//go:build ogen

package peers

import (
	"context"
	"fmt"
	"net/http"

	"github.com/seed07fc1495/trusthub/lab/bench/peers/ogenclient"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func withOgen() []Peer { return []Peer{{"ogen", newOgen}} }

func newOgen(baseURL string, transport http.RoundTripper) (Fetch, error) {
	c, err := ogenclient.NewClient(baseURL, ogenCredentials{}, ogenclient.WithClient(&http.Client{Transport: transport}))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, sid string) (string, error) {
		result, err := c.FetchCustomerProfile(ctx, ogenclient.FetchCustomerProfileParams{Sid: sid})
		if err != nil {
			return "", err
		}
		answer, ok := result.(*ogenclient.CustomerProfileHeaders)
		if !ok {
			return "", fmt.Errorf("answered with %T", result)
		}
		return answer.Response.Sid.Value, nil
	}, nil
}

type ogenCredentials struct{}

func (ogenCredentials) AccountSidAuthToken(context.Context, ogenclient.OperationName) (ogenclient.AccountSidAuthToken, error) {
	return ogenclient.AccountSidAuthToken{Username: trusthubtest.Username, Password: trusthubtest.Password}, nil
}
