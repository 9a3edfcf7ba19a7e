package trusthubtest_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/trusthubtest"
)

// Errors of gateways are not FromTwilio. All gateways are documented.
func TestGateways(t *testing.T) {
	page, err := os.ReadFile("../docs/FAKE.md")
	if err != nil {
		t.Fatal(err)
	}
	withBoth(t, func(t *testing.T, handler *trusthubtest.Handler, client *trusthub.Client) {
		for _, name := range trusthubtest.Gateways() {
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/FAKE.md lacks %s", name)
			}
			handler.Fail(trusthubtest.Gateway(name))
			var response trusthub.Response
			_, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID, trusthub.WithResponseInto(&response))
			apiErr, failed := errors.AsType[*trusthub.Error](err)
			decodeErr, undecoded := errors.AsType[*trusthub.DecodeError](err)
			switch {
			case failed && !apiErr.FromTwilio():
			case undecoded && decodeErr.RequestID == "":
			default:
				t.Errorf("%s: got %v", name, err)
			}
			if !trusthub.IsRetryable(err) || len(response.Body) == 0 || response.RequestID != "" {
				t.Errorf("%s: got %v, %v", name, err, response)
			}
		}
	})
}

func TestUnknownGateway(t *testing.T) {
	defer func() {
		if said := recover(); !strings.Contains(said.(string), "nginx-404") {
			t.Errorf("got %v", said)
		}
	}()
	trusthubtest.Gateway("nginx")
}

func TestEmptyErrorBody(t *testing.T) {
	withBoth(t, func(t *testing.T, handler *trusthubtest.Handler, client *trusthub.Client) {
		handler.Fail(trusthubtest.Fault{Status: 404, Empty: true})
		var response trusthub.Response
		_, err := client.FetchCustomerProfile(t.Context(), trusthubtest.ExampleSID, trusthub.WithResponseInto(&response))
		if !errors.Is(err, trusthub.ErrNotFound) || len(response.Body) != 0 || response.Header.Get("Content-Type") != "" {
			t.Errorf("got %v, %v", err, response)
		}
	})
}
