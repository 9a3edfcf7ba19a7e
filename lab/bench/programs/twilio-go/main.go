// Command twilio-go is ten lines with Twilio's own client.
package main

import (
	"fmt"

	"github.com/twilio/twilio-go"
)

func main() {
	client := twilio.NewRestClient()
	fmt.Println(client.TrusthubV1.FetchCustomerProfile("BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
}
