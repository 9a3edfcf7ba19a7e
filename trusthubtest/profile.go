package trusthubtest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/internal/properties"
)

// The profile of Twilio's documentation, which the OpenAPI document has as its example.
//
//go:embed example.json
var example []byte

func exampleProfile() (profile trusthub.CustomerProfile) {
	if err := json.Unmarshal(example, &profile); err != nil {
		panic(fmt.Sprintf("trusthubtest: example.json: %v", err)) // a test of the document holds the two together
	}
	return profile
}

// marshal writes every documented key, null where empty, as Twilio does; the model itself leaves empty ones out.
func marshal(profile trusthub.CustomerProfile) ([]byte, error) {
	var buf bytes.Buffer
	for name, value := range properties.Of(profile) {
		text := []byte("null")
		if !value.IsZero() {
			var err error
			if text, err = json.Marshal(value.Interface()); err != nil {
				return nil, err
			}
		}
		fmt.Fprintf(&buf, ",%q:%s", name, text)
	}
	return fmt.Appendf(nil, "{%s}", buf.Bytes()[1:]), nil
}
