package trusthubtest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/gen"
)

// exampleProfile is the profile of Twilio's documentation.
func exampleProfile() trusthub.CustomerProfile {
	const url = "https://trusthub.twilio.com/v1/CustomerProfiles/" + ExampleSID
	created := time.Date(2019, time.July, 30, 22, 29, 24, 0, time.UTC)
	updated := time.Date(2019, time.July, 31, 1, 9, 0, 0, time.UTC)
	return trusthub.CustomerProfile{
		SID:            ExampleSID,
		AccountSID:     "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		PolicySID:      "RNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		FriendlyName:   "friendly_name",
		Status:         trusthub.StatusDraft,
		Email:          "email",
		StatusCallback: "http://www.example.com",
		DateCreated:    &created,
		DateUpdated:    &updated,
		URL:            url,
		Links: map[string]string{
			"customer_profiles_evaluations":                 url + "/Evaluations",
			"customer_profiles_entity_assignments":          url + "/EntityAssignments",
			"customer_profiles_channel_endpoint_assignment": url + "/ChannelEndpointAssignments",
		},
		Errors: []gen.CustomerProfileError{{Code: 18601}},
	}
}

// marshal writes every documented key, null where empty, as Twilio does; the model itself leaves empty ones out.
func marshal(profile trusthub.CustomerProfile) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteByte('{')
	value := reflect.ValueOf(profile)
	for i := range value.NumField() {
		if i > 0 {
			buf.WriteByte(',')
		}
		name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
		text := []byte("null")
		if field := value.Field(i); !field.IsZero() {
			var err error
			if text, err = json.Marshal(field.Interface()); err != nil {
				return nil, err
			}
		}
		buf.WriteString(`"` + name + `":`)
		buf.Write(text)
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}
