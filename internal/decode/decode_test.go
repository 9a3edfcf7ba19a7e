package decode_test

import (
	stdjson "encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/decode"
)

const (
	sid      = "BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	jsonType = "application/json"
)

// The error of an invalid profile has a JSON pointer and a description without text of the body.
func TestBadObjects(t *testing.T) {
	for name, test := range map[string]struct{ contentType, body, pointer, text string }{
		"HTML":                   {"text/html", "<html>", "", "unexpected content type"},
		"looks like JSON":        {"text/not-json", "{}", "", "unexpected content type"},
		"no content type":        {"", "{}", "", "unexpected content type"},
		"broken content type":    {"application/", "{}", "", "unexpected content type"},
		"null":                   {jsonType, "null", "", "JSON null in place of an object"},
		"empty object":           {jsonType, "{}", "", "JSON object without any documented key"},
		"of another object":      {jsonType, `{"code":20500,"message":"maintenance"}`, "", "JSON object without any documented key"},
		"keys in other case":     {jsonType, `{"SID":"secret"}`, "", "JSON object without any documented key"},
		"empty":                  {jsonType, "", "", "truncated JSON"},
		"white space":            {jsonType, " \n", "", "truncated JSON"},
		"array":                  {jsonType, "[]", "", "JSON [ does not fit gen.CustomerProfile"},
		"truncated":              {jsonType, `{"email":"secret@exam`, "/email", "truncated JSON"},
		"trailing bytes":         {jsonType, `{"email":"secret@example.com"} x`, "", "malformed JSON"},
		"duplicate key":          {jsonType, `{"email":"secret@example.com","email":"b"}`, "/email", "duplicate name"},
		"invalid UTF-8":          {jsonType, "{\"email\":\"secret@\xff\"}", "/email", "malformed JSON"},
		"half a surrogate pair":  {jsonType, `{"email":"secret\ud83d"}`, "/email", "malformed JSON"},
		"wrong type":             {jsonType, `{"friendly_name":5}`, "/friendly_name", "JSON number does not fit string"},
		"boolean":                {jsonType, `{"email":true}`, "/email", "JSON true does not fit string"},
		"bad date":               {jsonType, `{"valid_until":"2026-02-30T00:00:00Z"}`, "/valid_until", "JSON string does not fit time.Time"},
		"errors not an array":    {jsonType, `{"errors":{"code":18601}}`, "/errors", "JSON { does not fit []gen.CustomerProfileError"},
		"truncated in an item":   {jsonType, `{"errors":["secret`, "/errors/0", "truncated JSON"},
		"duplicate in an item":   {jsonType, `{"errors":[{"a":1,"a":2}]}`, "/errors/0/a", "duplicate name"},
		"duplicate in a list":    {jsonType, `{"errors":[[{"a":1,"a":2}]]}`, "/errors/0/0/a", "duplicate name"},
		"a link that is no text": {jsonType, `{"links":{"a/b":1}}`, "/links/a~1b", "JSON number does not fit string"},
	} {
		t.Run(name, func(t *testing.T) {
			pointer, err := decode.Object(test.contentType, []byte(test.body), new(gen.CustomerProfile))
			if err == nil || pointer != test.pointer || decode.Describe(err) != test.text || !decode.IsContent(err) {
				t.Errorf("got %q at %q of %v", decode.Describe(err), pointer, err)
			}
			if text := decode.Describe(err); strings.Contains(text, "secret") {
				t.Errorf("text %q", text)
			}
		})
	}
}

func TestGoodObjects(t *testing.T) {
	for name, test := range map[string]struct{ contentType, body string }{
		"a profile":             {jsonType, `{"sid":"` + sid + `","links":{"a":"https://a"}}`},
		"upper case, parameter": {"APPLICATION/JSON; charset=utf-8", `{"sid":"` + sid + `"}`},
		"broken parameter":      {"application/json; charset", `{"sid":"` + sid + `"}`},
		"JSON suffix":           {"application/x+json", `{"sid":"` + sid + `"}`},
		"sid null":              {jsonType, `{"sid":null}`},
		"unknown key":           {jsonType, `{"email":null,"new":[1],"SID":5}`},
		"unknown status":        {jsonType, `{"status":"on-hold"}`},
		"number out of range":   {jsonType, `{"errors":[{"code":1,"a":1e400}]}`},
		"all null":              {jsonType, `{"valid_until":null,"links":null,"errors":null}`},
		"one null":              {jsonType, `{"valid_until":null}`},
		"one empty":             {jsonType, `{"code":5,"email":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			if pointer, err := decode.Object(test.contentType, []byte(test.body), new(gen.CustomerProfile)); err != nil || pointer != "" {
				t.Errorf("got %v at %q", err, pointer)
			}
		})
	}
}

// Null, absent and empty are decoded the same. A null or absent time is nil.
func TestNullAbsentAndEmptyAreTheSame(t *testing.T) {
	for _, body := range []string{
		`{"sid":null,"account_sid":null,"policy_sid":null,"friendly_name":null,"status":null,"email":null,"status_callback":null,"url":null,"valid_until":null,"date_created":null,"date_updated":null}`,
		`{"sid":"","account_sid":"","policy_sid":"","friendly_name":"","status":"","email":"","status_callback":"","url":""}`,
		`{"links":null}`,
	} {
		var profile gen.CustomerProfile
		if _, err := decode.Object(jsonType, []byte(body), &profile); err != nil || !reflect.DeepEqual(profile, gen.CustomerProfile{}) {
			t.Errorf("%s: got %+v, %v", body, profile, err)
		}
	}
}

// An error item may have any shape. The profile is decoded; Code has the code if there is one, and
// the item keeps the rest.
func TestErrorItemsOfAnyShape(t *testing.T) {
	for item, want := range map[string]struct {
		code int
		json string // of the item when it is encoded again
	}{
		`{"code":18601}`:                       {18601, `{"code":18601}`},
		`{"code":18601,"message":"m"}`:         {18601, `{"code":18601,"message":"m"}`},
		`{"code":18601.0}`:                     {18601, `{"code":18601}`},
		`{"code":1.8601e4}`:                    {18601, `{"code":18601}`},
		`{"code":-5}`:                          {-5, `{"code":-5}`},
		`{}`:                                   {0, `{}`},
		`{"message":"m","Code":1}`:             {0, `{"Code":1,"message":"m"}`},
		`{"code":1,"more":{"a":[true,null]}}`:  {1, `{"code":1,"more":{"a":[true,null]}}`},
		`{"code":1,"number":9007199254740993}`: {1, `{"code":1,"number":9007199254740993}`},
		`{"code":1,"number":-1.5}`:             {1, `{"code":1,"number":-1.5}`},
		`{"code":1e30}`:                        {0, `{"code_as_received":1e30}`},
		`{"code":9007199254740993.0}`:          {0, `{"code_as_received":9007199254740993.0}`},
		`{"code":"18601"}`:                     {18601, `{"code":18601}`},
		`{"code":"99999999999999999999"}`:      {0, `{"code_as_received":"99999999999999999999"}`},
		`{"code":"0x10"}`:                      {0, `{"code_as_received":"0x10"}`},
		`{"code":"1.0"}`:                       {0, `{"code_as_received":"1.0"}`},
		`{"code":""}`:                          {0, `{"code_as_received":""}`},
		`{"code":1.5,"a":1}`:                   {0, `{"a":1,"code_as_received":1.5}`},
		`{"code":null}`:                        {0, `{"code_as_received":null}`},
		`{"code":{"a":1}}`:                     {0, `{"code_as_received":{"a":1}}`},
		`18601`:                                {18601, `{"code":18601}`},
		`18601.0`:                              {18601, `{"code":18601}`},
		`"18601"`:                              {18601, `{"code":18601}`},
		`"name taken"`:                         {0, `{"code_as_received":"name taken"}`},
		`null`:                                 {0, `{"code_as_received":null}`},
		`true`:                                 {0, `{"code_as_received":true}`},
		`[]`:                                   {0, `{"code_as_received":[]}`},
		`[18601,{"a":1}]`:                      {0, `{"code_as_received":[18601,{"a":1}]}`},
		`0.5`:                                  {0, `{"code_as_received":0.5}`},
	} {
		t.Run(item, func(t *testing.T) {
			var profile, again gen.CustomerProfile
			if _, err := decode.Object(jsonType, []byte(`{"email":"e","errors":[{"code":1},`+item+`]}`), &profile); err != nil {
				t.Fatal(err)
			}
			if len(profile.Errors) != 2 || profile.Errors[0].Code != 1 || profile.Errors[1].Code != want.code || profile.Email != "e" {
				t.Fatalf("got %+v", profile)
			}
			written, err := stdjson.Marshal(profile.Errors[1])
			if err != nil || string(written) != want.json {
				t.Errorf("written as %s, %v", written, err)
			}
			if _, err := decode.Object(jsonType, []byte(`{"errors":[`+string(written)+`]}`), &again); err != nil || !reflect.DeepEqual(again.Errors, profile.Errors[1:]) {
				t.Errorf("read again: %+v, %v", again, err)
			}
			var stored gen.CustomerProfileError
			if err := stdjson.Unmarshal(written, &stored); err != nil || stored.Code != want.code {
				t.Errorf("decoded by encoding/json: %+v, %v", stored, err)
			}
		})
	}
}

// A JSON number such as 20404.0 is an integer, as in JSON Schema and in the contract.
func TestIntegersWithADecimalPoint(t *testing.T) {
	for number, want := range map[string]int{"20404": 20404, "20404.0": 20404, "4.04e2": 404, "-1e0": -1, "null": 0} {
		var e gen.Error
		if _, err := decode.Object(jsonType, []byte(`{"code":`+number+`}`), &e); err != nil || e.Code != want {
			t.Errorf("%s: got %d, %v", number, e.Code, err)
		}
	}
	for number, want := range map[string]string{
		"20404.5": "JSON number does not fit int", "1e30": "JSON number does not fit int", `"20404"`: "JSON string does not fit int",
	} {
		pointer, err := decode.Object(jsonType, []byte(`{"code":`+number+`}`), new(gen.Error))
		if pointer != "/code" || decode.Describe(err) != want {
			t.Errorf("%s: got %q at %q", number, decode.Describe(err), pointer)
		}
	}
}

// IsContent is false for errors of the transfer.
func TestOtherErrors(t *testing.T) {
	for _, err := range []error{nil, io.ErrUnexpectedEOF, errors.New("reset")} {
		if decode.IsContent(err) || decode.Describe(err) != "" {
			t.Errorf("%v: %v, %q", err, decode.IsContent(err), decode.Describe(err))
		}
	}
	problem := decode.Problem("another profile's SID")
	if !decode.IsContent(problem) || decode.Describe(problem) != problem.Error() {
		t.Errorf("got %q", decode.Describe(problem))
	}
}
