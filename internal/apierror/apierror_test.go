package apierror_test

import (
	"testing"

	"github.com/seed07fc1495/trusthub/internal/apierror"
)

// Each member is decoded separately. An invalid one does not affect the others.
func TestRead(t *testing.T) {
	for body, want := range map[string]apierror.Body{
		`{"code":20404,"message":"m","more_info":"https://i","status":404}`:                     {Code: 20404, Message: "m", MoreInfo: "https://i", Status: 404},
		`{"code":20001,"message":"bad","httpStatusCode":400,"params":{"a":1},"userError":true}`: {Code: 20001, Message: "bad", Status: 400},
		// JSON Schema accepts these as integers.
		`{"code":20404.0,"message":"m","status":4.04e2}`: {Code: 20404, Message: "m", Status: 404},
		`{"code":20404.5,"message":"m"}`:                 {Message: "m"},
		`{"code":1e30}`:                                  {},
		`{"code":"20404","message":"m"}`:                 {Message: "m"},
		`{"code":-5,"message":null}`:                     {Code: -5},
		`["secret"]`:                                     {},
		`null`:                                           {},
		`<html>`:                                         {},
		``:                                               {},
	} {
		if got := apierror.Read([]byte(body)); got != want {
			t.Errorf("%s: got %+v", body, got)
		}
	}
}
