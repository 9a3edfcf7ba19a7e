// Command oapi-codegen is ten lines with the stock generated client.
package main

import (
	"context"
	"fmt"

	"github.com/seed07fc1495/trusthub/gen"
)

func main() {
	client, err := gen.NewClientWithResponses(gen.ServerURLGlobal)
	if err == nil {
		fmt.Println(client.FetchCustomerProfileWithResponse(context.Background(), "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	}
}
