package trusthubtest

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/seed07fc1495/trusthub"
)

// The profile of Twilio's documentation, which the OpenAPI document has as its example.
//
//go:embed example.json
var example []byte

func exampleProfile() (profile trusthub.CustomerProfile) {
	if err := json.Unmarshal(example, &profile); err != nil {
		// a test compares it with the document
		panic(fmt.Sprintf("trusthubtest: example.json: %v", err))
	}
	return profile
}
