package trusthub

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/address"
)

// NewClientFromEnv is [NewClient] with credentials from the environment: TWILIO_API_KEY and TWILIO_API_SECRET, or else
// TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN. TWILIO_EDGE and TWILIO_REGION, if set, choose the address as [WithEdge] does,
// unless an option chooses it; an edge alone means region us1, and a region alone is an error. An empty variable counts
// as not set.
func NewClientFromEnv(opts ...Option) (*Client, error) {
	auth, err := authFromEnv()
	if err != nil {
		return nil, err
	}
	return NewClient(auth, append([]Option{withEnvAddress}, opts...)...)
}

func authFromEnv() (Auth, error) {
	for _, pair := range [][2]string{
		{"TWILIO_API_KEY", "TWILIO_API_SECRET"},
		{"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"},
	} {
		username, password := os.Getenv(pair[0]), os.Getenv(pair[1])
		switch {
		case username != "" && password != "":
			return BasicAuth(username, password), nil
		case username != "":
			return nil, fmt.Errorf("trusthub: %s is set, but %s is not", pair[0], pair[1])
		case password != "":
			return nil, fmt.Errorf("trusthub: %s is set, but %s is not", pair[1], pair[0])
		}
	}
	return nil, errors.New("trusthub: no credentials: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, " +
		"or TWILIO_API_KEY and TWILIO_API_SECRET")
}

func withEnvAddress(c *config) error {
	c.defaultBaseURL = baseURLFromEnv
	return nil
}

func baseURLFromEnv() (*url.URL, error) {
	edge, region := os.Getenv("TWILIO_EDGE"), os.Getenv("TWILIO_REGION")
	switch {
	case edge == "" && region == "":
		return address.Global()
	case edge == "":
		return nil, errors.New("trusthub: TWILIO_REGION is set, but TWILIO_EDGE is not: Twilio has retired addresses with a region alone")
	}
	u, err := address.Regional(edge, cmp.Or(region, gen.ServerURLRegionalRegionVariableDefault))
	if err != nil {
		return nil, fmt.Errorf("trusthub: TWILIO_EDGE and TWILIO_REGION: %w", err)
	}
	return u, nil
}
