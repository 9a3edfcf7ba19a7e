package apierror_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub/internal/apierror"
)

// For every body, the code and the message come from valid JSON.
func FuzzErrorBody(f *testing.F) {
	for _, body := range []string{
		`{"code":20404,"message":"m","more_info":"i","status":404}`, `{"code":1,"message":"m","httpStatusCode":400,"params":{},"userError":true}`,
		"", "null", "[]", "<html>", `{"code":"1"}`, `{"code":1e99}`, `{"code":1e0}`, `{"code":-5,"message":null}`, `{"message":"` + strings.Repeat("é\\n", 500) + `"}`,
		`{"type":"https://www.twilio.com/docs/api/errors/20404","title":"t","detail":"d","status":404}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got := apierror.Read([]byte(body))
		if !json.Valid([]byte(body)) && json.Valid([]byte(strings.ToValidUTF8(body, "?"))) {
			return // accepts invalid UTF-8
		}
		if got != (apierror.Body{}) && !json.Valid([]byte(body)) {
			t.Errorf("read %+v", got)
		}
		if got.Code != 0 && !strings.Contains(body, "code") && !strings.Contains(body, "\\u") {
			t.Errorf("read the code %d", got.Code)
		}
	})
}
