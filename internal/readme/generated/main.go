package main

import (
	"context"
	"fmt"
	"log"

	"github.com/seed07fc1495/trusthub"
)

func main() {
	client, err := trusthub.NewClientFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	answer, err := client.Generated().FetchCustomerProfileWithResponse(context.Background(), "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	if err != nil {
		log.Fatal(err)
	}
	switch {
	case answer.JSON200 != nil:
		fmt.Println("status:", answer.JSON200.Status)
		fmt.Println("origins:", answer.Headers200.AccessControlAllowOrigin)
	case answer.JSON404 != nil:
		fmt.Println("not found:", answer.JSON404.Message)
	default: // another status, or a body that is not JSON: no field is set
		fmt.Println("answered with", answer.Status())
	}
}
