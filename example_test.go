package trusthub_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

func ExampleClient_FetchCustomerProfile() {
	url, stop := exampleServer()
	defer stop()
	client, err := trusthub.NewClient(
		trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), // an Account SID and its auth token
		trusthub.WithBaseURL(url), // not needed for Twilio itself
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	profile, err := client.FetchCustomerProfile(context.Background(), "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile.FriendlyName, profile.Status, profile.DateCreated)
	// Output: friendly_name draft 2019-07-30 22:29:24 +0000 UTC
}

func ExampleError() {
	client, stop := exampleClient()
	defer stop()
	ctx, sid := context.Background(), "BU00000000000000000000000000000000"

	profile, err := client.FetchCustomerProfile(ctx, sid)
	var apiErr *trusthub.Error
	var decodeErr *trusthub.DecodeError
	switch {
	case err == nil:
		fmt.Println(profile.Status)
	case errors.Is(err, trusthub.ErrNotFound): // also ErrUnauthorized, ErrForbidden, ErrTooManyRequests
		fmt.Println("no such profile")
	case errors.As(err, &apiErr):
		fmt.Println("refused:", apiErr.StatusCode, apiErr.Code, apiErr.Message, apiErr.RequestID)
	case errors.As(err, &decodeErr):
		fmt.Println("not a profile:", decodeErr.Pointer, decodeErr.RequestID)
	case errors.Is(err, trusthub.ErrInvalidSID):
		fmt.Println("nothing was sent")
	default:
		fmt.Println("the network or the context:", err)
	}

	// Output: no such profile
}

func ExampleWithResponseInto() {
	client, stop := exampleClient()
	defer stop()
	var response trusthub.Response
	_, err := client.FetchCustomerProfile(context.Background(), sid, trusthub.WithResponseInto(&response))
	fmt.Println(err, response.StatusCode, response.RequestID != "", response.Attempts)
	// Output: <nil> 200 true 1
}

func exampleServer() (url string, stop func()) {
	server := httptest.NewServer(trusthubtest.NewHandler())
	return server.URL, server.Close
}

func exampleClient() (*trusthub.Client, func()) {
	url, stop := exampleServer()
	client, err := trusthub.NewClient(trusthub.BasicAuth(trusthubtest.Username, trusthubtest.Password), trusthub.WithBaseURL(url))
	if err != nil {
		panic(err)
	}
	return client, stop
}
