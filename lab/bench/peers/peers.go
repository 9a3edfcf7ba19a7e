// Package peers has the compared clients, each with its defaults.
package peers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twilio/twilio-go/client"
	trusthubv1 "github.com/twilio/twilio-go/rest/trusthub/v1"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Peer is one way to fetch a profile.
type Peer struct {
	Name string
	// New returns a function that fetches a profile from the server at baseURL with the transport. If
	// that is nil, the client uses its default transport.
	New func(baseURL string, transport http.RoundTripper) (Fetch, error)
}

// Fetch fetches one profile and returns its SID.
type Fetch func(ctx context.Context, sid string) (string, error)

// All returns the peers, this SDK first and the floor last.
func All() []Peer {
	peers := []Peer{{"trusthub", newTrusthub}, {"twilio-go", newTwilioGo}, {"oapi-codegen", newStock}}
	return append(append(peers, withOgen()...), Peer{"floor", newFloor})
}

func newTrusthub(baseURL string, transport http.RoundTripper) (Fetch, error) {
	opts := []trusthub.Option{trusthub.WithBaseURL(baseURL)}
	if transport != nil {
		opts = append(opts, trusthub.WithHTTPClient(&http.Client{Transport: transport}))
	}
	c, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), opts...)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, sid string) (string, error) {
		profile, err := c.FetchCustomerProfile(ctx, sid)
		if err != nil {
			return "", err
		}
		return profile.SID, nil
	}, nil
}

func newTwilioGo(baseURL string, transport http.RoundTripper) (Fetch, error) {
	official := &client.Client{Credentials: client.NewCredentials(trusthubtest.Username, trusthubtest.Password)}
	if transport != nil { // otherwise as its default client
		official.HTTPClient = &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       10 * time.Second,
			Transport:     transport,
		}
	}
	official.SetAccountSid(trusthubtest.Username)
	service := trusthubv1.NewApiService(client.NewRequestHandler(elsewhere{official, baseURL}))
	return func(_ context.Context, sid string) (string, error) {
		profile, err := service.FetchCustomerProfile(sid)
		if err != nil {
			return "", err
		}
		return *profile.Sid, nil
	}, nil
}

// elsewhere sends requests to another address, for which the client has no option.
type elsewhere struct {
	*client.Client
	baseURL string
}

func (e elsewhere) SendRequest(method, rawURL string, data url.Values, headers map[string]interface{}, body ...byte) (*http.Response, error) {
	return e.Client.SendRequest(method, e.baseURL+strings.TrimPrefix(rawURL, "https://trusthub.twilio.com"), data, headers, body...)
}

func newStock(baseURL string, transport http.RoundTripper) (Fetch, error) {
	return newGenerated(baseURL, &http.Client{Transport: transport})
}

func newGenerated(baseURL string, client *http.Client) (Fetch, error) {
	c, err := gen.NewClientWithResponses(baseURL, gen.WithHTTPClient(client),
		gen.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
			req.SetBasicAuth(trusthubtest.Username, trusthubtest.Password)
			return nil
		}))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, sid string) (string, error) {
		answer, err := c.FetchCustomerProfileWithResponse(ctx, sid)
		if err != nil {
			return "", err
		}
		if answer.JSON200 == nil {
			return "", errors.New(answer.Status())
		}
		return answer.JSON200.SID, nil
	}, nil
}

// newFloor returns a handwritten client with only the necessary parts: a timeout, authentication,
// the checks of status and content type, and a read limit.
func newFloor(baseURL string, transport http.RoundTripper) (Fetch, error) {
	c := &http.Client{Transport: transport}
	authorization := "Basic " + base64.StdEncoding.EncodeToString([]byte(trusthubtest.Username+":"+trusthubtest.Password))
	return func(ctx context.Context, sid string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/v1/CustomerProfiles/"+sid, nil)
		if err != nil {
			return "", err
		}
		req.Header.Set("Authorization", authorization)
		answer, err := c.Do(req)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/json" {
			return "", errors.New(answer.Status)
		}
		body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		if err != nil {
			return "", err
		}
		var profile gen.CustomerProfile
		if err := json.Unmarshal(body, &profile); err != nil {
			return "", fmt.Errorf("decode: %w", err)
		}
		return profile.SID, nil
	}, nil
}
