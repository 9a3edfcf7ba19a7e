// Command floor is ten lines with net/http and the decoder.
package main

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/seed07fc1495/trusthub/gen"
)

func main() {
	answer, err := http.Get("https://trusthub.twilio.com/v1/CustomerProfiles/BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	if err == nil {
		defer func() { _ = answer.Body.Close() }()
		fmt.Println(json.UnmarshalRead(answer.Body, new(gen.CustomerProfile)))
	}
}
