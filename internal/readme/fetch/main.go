package main

import (
	"context"
	"fmt"
	"log"

	"github.com/seed07fc1495/trusthub"
)

func main() {
	client, err := trusthub.NewClientFromEnv() // TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN
	if err != nil {
		log.Fatal(err)
	}
	profile, err := client.FetchCustomerProfile(context.Background(), "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(profile.FriendlyName, "is", profile.Status)
}
