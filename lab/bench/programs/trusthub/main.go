// Command trusthub is ten lines with this SDK.
package main

import (
	"context"
	"fmt"

	"github.com/seed07fc1495/trusthub"
)

func main() {
	client, err := trusthub.NewClientFromEnv()
	if err == nil {
		fmt.Println(client.FetchCustomerProfile(context.Background(), "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	}
}
