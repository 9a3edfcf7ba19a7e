package trusthub_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/seed07fc1495/trusthub"
	"github.com/seed07fc1495/trusthub/contract"
	"github.com/seed07fc1495/trusthub/internal/apitest"
)

// A 2xx answer that is not the profile asked for is a *DecodeError that names the field and keeps the evidence.
func TestBadAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		status      int
		contentType string
		body        string
		pointer     string
		text        string // of the error, after the request
	}{
		"HTML":                   {200, "text/html", "<html>", "", "unexpected content type"},
		"looks like JSON":        {200, "text/not-json", "{}", "", "unexpected content type"},
		"no content type":        {200, "", "{}", "", "unexpected content type"},
		"broken content type":    {200, "application/", "{}", "", "unexpected content type"},
		"null":                   {200, apitest.JSON, "null", "", "JSON null in place of an object"},
		"empty object":           {200, apitest.JSON, "{}", "", "JSON object without any documented key"},
		"of something else":      {200, apitest.JSON, `{"code":20500,"message":"maintenance"}`, "", "JSON object without any documented key"},
		"keys in other case":     {200, apitest.JSON, `{"SID":"secret"}`, "", "JSON object without any documented key"},
		"empty":                  {200, apitest.JSON, "", "", "truncated JSON"},
		"white space":            {200, apitest.JSON, " \n", "", "truncated JSON"},
		"array":                  {200, apitest.JSON, "[]", "", "JSON [ does not fit gen.CustomerProfile"},
		"truncated":              {200, apitest.JSON, `{"email":"secret@exam`, "/email", "truncated JSON"},
		"trailing bytes":         {200, apitest.JSON, `{"email":"secret@example.com"} x`, "", "malformed JSON"},
		"duplicate key":          {200, apitest.JSON, `{"email":"secret@example.com","email":"b"}`, "/email", "duplicate name"},
		"invalid UTF-8":          {200, apitest.JSON, "{\"email\":\"secret@\xff\"}", "/email", "malformed JSON"},
		"half of a pair":         {200, apitest.JSON, `{"email":"secret\ud83d"}`, "/email", "malformed JSON"},
		"wrong type":             {200, apitest.JSON, `{"friendly_name":5}`, "/friendly_name", "JSON number does not fit string"},
		"bad date":               {200, apitest.JSON, `{"valid_until":"2026-02-30T00:00:00Z"}`, "/valid_until", "JSON string does not fit time.Time"},
		"errors not an array":    {200, apitest.JSON, `{"errors":{"code":18601}}`, "/errors", "JSON { does not fit []gen.CustomerProfileError"},
		"torn in an item":        {200, apitest.JSON, `{"errors":["secret`, "/errors/0", "truncated JSON"},
		"duplicate in an item":   {200, apitest.JSON, `{"errors":[{"a":1,"a":2}]}`, "/errors/0/a", "duplicate name"},
		"duplicate in a list":    {200, apitest.JSON, `{"errors":[[{"a":1,"a":2}]]}`, "/errors/0/0/a", "duplicate name"},
		"another profile":        {200, apitest.JSON, `{"sid":"BUbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}`, "/sid", "another profile's SID"},
		"status 201":             {201, apitest.JSON, `{"email":"secret@example.com"}`, "", "unexpected status"},
		"status 204":             {204, apitest.JSON, "", "", "unexpected status"},
		"status 299":             {299, apitest.JSON, "{}", "", "unexpected status"},
		"a link that is no text": {200, apitest.JSON, `{"links":{"a/b":1}}`, "/links/a~1b", "JSON number does not fit string"},
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.At(t, apitest.Serve(t, apitest.Answer(test.status, test.contentType, test.body)))
			var response trusthub.Response
			profile, err := client.FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
			var decodeErr *trusthub.DecodeError
			if profile != nil || !errors.As(err, &decodeErr) {
				t.Fatalf("got %v, %v, want a DecodeError", profile, err)
			}
			if decodeErr.StatusCode != test.status || decodeErr.RequestID != "RQ1" || string(decodeErr.Body) != test.body {
				t.Errorf("evidence lost: %d, %q, %q", decodeErr.StatusCode, decodeErr.RequestID, []byte(decodeErr.Body))
			}
			if decodeErr.Pointer != test.pointer {
				t.Errorf("pointer %q, want %q", decodeErr.Pointer, test.pointer)
			}
			if text := err.Error(); !strings.Contains(text, test.text) || strings.Contains(text, "secret") {
				t.Errorf("text %q, want %q in it and no value", text, test.text)
			}
			if response.StatusCode != test.status || string(response.Body) != test.body || response.Attempts != 1 {
				t.Errorf("response %v", response)
			}
		})
	}
}

func TestDecodeErrorText(t *testing.T) {
	for body, want := range map[string]string{
		"[]":             "JSON [ does not fit gen.CustomerProfile (request RQ1)",
		`{"email":true}`: "/email: JSON true does not fit string (request RQ1)",
	} {
		_, err := apitest.At(t, apitest.Serve(t, apitest.Answer(200, apitest.JSON, body))).FetchCustomerProfile(t.Context(), sid)
		if want = "trusthub: GET /v1/CustomerProfiles/" + sid + ": cannot decode the answer with status 200: " + want; err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	}
}

func TestAcceptedAnswers(t *testing.T) {
	for name, test := range map[string]struct{ contentType, body string }{
		"upper case, parameter": {"APPLICATION/JSON; charset=utf-8", `{"sid":"` + sid + `"}`},
		"broken parameter":      {"application/json; charset", `{"sid":"` + sid + `"}`},
		"JSON suffix":           {"application/x+json", `{"sid":"` + sid + `"}`},
		"sid in other case":     {apitest.JSON, `{"sid":"BU` + strings.ToUpper(sid[2:]) + `"}`},
		"no sid":                {apitest.JSON, `{"email":"x"}`},
		"sid null":              {apitest.JSON, `{"sid":null}`},
		"unknown key":           {apitest.JSON, `{"email":null,"new":[1],"SID":5}`},
		"unknown status":        {apitest.JSON, `{"status":"on-hold"}`},
		"number out of range":   {apitest.JSON, `{"errors":[{"code":1,"a":1e400}]}`},
		"all null":              {apitest.JSON, `{"valid_until":null,"links":null,"errors":null}`},
		"one null":              {apitest.JSON, `{"valid_until":null}`},
		"one empty":             {apitest.JSON, `{"code":5,"email":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.At(t, apitest.Serve(t, apitest.Answer(200, test.contentType, test.body)))
			if profile, err := client.FetchCustomerProfile(t.Context(), sid); err != nil || profile == nil {
				t.Fatalf("got %v, %v", profile, err)
			}
		})
	}
}

func TestUnknownStatusIsPassedThrough(t *testing.T) {
	client := apitest.At(t, apitest.Serve(t, apitest.Answer(200, apitest.JSON, `{"status":"on-hold"}`)))
	profile, err := client.FetchCustomerProfile(t.Context(), sid)
	if err != nil || profile.Status != "on-hold" || profile.Status.Valid() {
		t.Errorf("got %v, %v", profile, err)
	}
}

func TestUnknownKeysOfErrorItemsAreKept(t *testing.T) {
	client := apitest.At(t, apitest.Serve(t, apitest.Answer(200, apitest.JSON, `{"errors":[{"code":18601,"message":"m"}]}`)))
	profile, err := client.FetchCustomerProfile(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}
	if message, ok := profile.Errors[0].Get("message"); !ok || message != "m" || profile.Errors[0].Code != 18601 {
		t.Errorf("got %+v", profile.Errors)
	}
}

// An item of errors may have any shape: the profile arrives, with the code where there is one, and with all else in the item.
func TestErrorItemsOfAnyShape(t *testing.T) {
	for item, want := range map[string]struct {
		code   int
		json   string // of the item when it is written again
		broken bool   // by the contract
	}{
		`{"code":18601}`:                       {18601, `{"code":18601}`, false},
		`{"code":18601.0}`:                     {18601, `{"code":18601}`, false},
		`{"code":1.8601e4}`:                    {18601, `{"code":18601}`, false},
		`{"code":-5}`:                          {-5, `{"code":-5}`, false},
		`{}`:                                   {0, `{"code":0}`, false},
		`{"message":"m","Code":1}`:             {0, `{"Code":1,"code":0,"message":"m"}`, false},
		`{"code":1,"more":{"a":[true,null]}}`:  {1, `{"code":1,"more":{"a":[true,null]}}`, false},
		`{"code":1,"number":9007199254740993}`: {1, `{"code":1,"number":9007199254740993}`, false},
		`{"code":1,"number":-1.5}`:             {1, `{"code":1,"number":-1.5}`, false},
		`{"code":1e30}`:                        {0, `{"code":0,"code_as_received":1e30}`, false},
		`{"code":9007199254740993.0}`:          {0, `{"code":0,"code_as_received":9007199254740993.0}`, false},
		`{"code":"18601"}`:                     {18601, `{"code":18601}`, true},
		`{"code":"99999999999999999999"}`:      {0, `{"code":0,"code_as_received":"99999999999999999999"}`, true},
		`{"code":"0x10"}`:                      {0, `{"code":0,"code_as_received":"0x10"}`, true},
		`{"code":"1.0"}`:                       {0, `{"code":0,"code_as_received":"1.0"}`, true},
		`{"code":""}`:                          {0, `{"code":0,"code_as_received":""}`, true},
		`{"code":1.5,"a":1}`:                   {0, `{"a":1,"code":0,"code_as_received":1.5}`, true},
		`{"code":null}`:                        {0, `{"code":0,"code_as_received":null}`, true},
		`{"code":{"a":1}}`:                     {0, `{"code":0,"code_as_received":{"a":1}}`, true},
		`18601`:                                {18601, `{"code":18601}`, true},
		`18601.0`:                              {18601, `{"code":18601}`, true},
		`"18601"`:                              {18601, `{"code":18601}`, true},
		`"name taken"`:                         {0, `{"code":0,"code_as_received":"name taken"}`, true},
		`null`:                                 {0, `{"code":0,"code_as_received":null}`, true},
		`true`:                                 {0, `{"code":0,"code_as_received":true}`, true},
		`[]`:                                   {0, `{"code":0,"code_as_received":[]}`, true},
		`[18601,{"a":1}]`:                      {0, `{"code":0,"code_as_received":[18601,{"a":1}]}`, true},
		`0.5`:                                  {0, `{"code":0,"code_as_received":0.5}`, true},
	} {
		t.Run(item, func(t *testing.T) {
			body := `{"email":"e","errors":[{"code":1},` + item + `]}`
			transport := apitest.CannedJSON(body)
			profile, err := apitest.Over(t, transport).FetchCustomerProfile(t.Context(), sid)
			if err != nil {
				t.Fatal(err)
			}
			if len(profile.Errors) != 2 || profile.Errors[0].Code != 1 || profile.Errors[1].Code != want.code {
				t.Fatalf("got %+v", profile.Errors)
			}
			written, err := json.Marshal(profile.Errors[1])
			if err != nil || string(written) != want.json {
				t.Errorf("written as %s, %v", written, err)
			}
			again := apitest.CannedJSON(`{"errors":[` + string(written) + `]}`)
			if reread, err := apitest.Over(t, again).FetchCustomerProfile(t.Context(), sid); err != nil || !reflect.DeepEqual(reread.Errors, profile.Errors[1:]) {
				t.Errorf("read again: %+v, %v", reread, err)
			}
			var stored trusthub.CustomerProfileError
			if err := json.Unmarshal(written, &stored); err != nil || stored.Code != want.code {
				t.Errorf("read again from elsewhere: %+v, %v", stored, err)
			}
			_, err = apitest.Over(t, transport, trusthub.WithMiddleware(contract.NewTransport)).FetchCustomerProfile(t.Context(), sid)
			if _, broken := errors.AsType[*contract.Violation](err); broken != want.broken || !broken && err != nil {
				t.Errorf("contract: %v", err)
			}
		})
	}
}

// 20404.0 is an integer, in JSON Schema and so in the contract.
func TestIntegersMayHaveAPoint(t *testing.T) {
	_, err := apitest.At(t, apitest.Serve(t, apitest.Answer(404, apitest.JSON, `{"code":20404.0,"message":"m","status":4.04e2}`))).FetchCustomerProfile(t.Context(), sid)
	if apiErr, ok := errors.AsType[*trusthub.Error](err); !ok || apiErr.Code != 20404 || apiErr.Message != "m" {
		t.Errorf("got %v", err)
	}
	for _, code := range []string{"20404.5", "1e30", `"20404"`} {
		_, err := apitest.At(t, apitest.Serve(t, apitest.Answer(404, apitest.JSON, `{"code":`+code+`}`))).FetchCustomerProfile(t.Context(), sid)
		if apiErr, ok := errors.AsType[*trusthub.Error](err); !ok || apiErr.Code != 0 {
			t.Errorf("%s: got %v", code, err)
		}
	}
}

// A body over the limit is cut there, and what was read of it is kept, whatever the status.
func TestResponseTooLarge(t *testing.T) {
	const limit = 1 << 20
	endless := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", apitest.JSON)
			w.Header().Set("Twilio-Request-Id", "RQ1")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			var out io.Writer = w
			if w.Header().Get("Content-Encoding") == "gzip" {
				zipped := gzip.NewWriter(w)
				defer zipped.Close()
				out = zipped
			}
			w.WriteHeader(status)
			chunk := bytes.Repeat([]byte(" "), 1<<16)
			for range 64 {
				if _, err := out.Write(chunk); err != nil {
					return
				}
			}
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"endless":              endless(200),
		"gzip bomb":            endless(200, "Content-Encoding", "gzip"),
		"with Content-Length":  endless(200, "Content-Length", strconv.Itoa(64<<16)),
		"huge Content-Length":  endless(200, "Content-Length", strconv.FormatInt(1<<60, 10)),
		"error":                endless(500),
		"error, gzip bomb":     endless(404, "Content-Encoding", "gzip"),
		"error, huge announce": endless(400, "Content-Length", strconv.FormatInt(1<<60, 10)),
	} {
		t.Run(name, func(t *testing.T) {
			client := apitest.At(t, apitest.Serve(t, handler))
			profile, err := client.FetchCustomerProfile(t.Context(), sid)
			if profile != nil {
				t.Fatalf("got a profile: %v", profile)
			}
			var decodeErr *trusthub.DecodeError
			var apiErr *trusthub.Error
			switch {
			case strings.HasPrefix(name, "error"):
				if !errors.As(err, &apiErr) || apiErr.RequestID != "RQ1" || len(apiErr.Body) != limit {
					t.Errorf("got %v", err)
				}
			case !errors.As(err, &decodeErr) || !errors.Is(err, trusthub.ErrResponseTooLarge) ||
				decodeErr.StatusCode != 200 || decodeErr.RequestID != "RQ1" || len(decodeErr.Body) != limit:
				t.Errorf("got %v", err)
			}
			if _, err := client.Generated().FetchCustomerProfileWithResponse(t.Context(), sid); !errors.Is(err, trusthub.ErrResponseTooLarge) {
				t.Errorf("generated client: got %v", err)
			}
		})
	}
}

// A body of exactly the limit is not too large, and the largest limit is none.
func TestResponseLimits(t *testing.T) {
	announcing := func(length int64, body string) apitest.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			answer, err := apitest.CannedJSON(body)(req)
			answer.ContentLength = length
			return answer, err
		}
	}
	for name, test := range map[string]struct {
		transport apitest.RoundTripFunc
		limit     int64
		kept      string
		tooLarge  bool
	}{
		"the limit":             {announcing(-1, apitest.Profile), int64(len(apitest.Profile)), apitest.Profile, false},
		"the limit, announced":  {announcing(int64(len(apitest.Profile)), apitest.Profile), int64(len(apitest.Profile)), apitest.Profile, false},
		"one more":              {announcing(-1, apitest.Profile), int64(len(apitest.Profile)) - 1, apitest.Profile[:len(apitest.Profile)-1], true},
		"one more, announced":   {announcing(int64(len(apitest.Profile)), apitest.Profile), int64(len(apitest.Profile)) - 1, apitest.Profile[:len(apitest.Profile)-1], true},
		"no limit":              {announcing(-1, apitest.Profile), math.MaxInt64, apitest.Profile, false},
		"no limit, huge length": {announcing(math.MaxInt64, apitest.Profile), math.MaxInt64, apitest.Profile, false},
		"one below no limit":    {announcing(-1, apitest.Profile), math.MaxInt64 - 1, apitest.Profile, false},
		"a byte, and one byte":  {announcing(-1, "{"), 1, "{", false},
		"a byte, and two bytes": {announcing(-1, "{}"), 1, "{", true},
		"a byte, and no body":   {announcing(0, ""), 1, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var response trusthub.Response
			_, err := apitest.Over(t, test.transport, trusthub.WithMaxResponseBytes(test.limit)).
				FetchCustomerProfile(t.Context(), sid, trusthub.WithResponseInto(&response))
			if string(response.Body) != test.kept || errors.Is(err, trusthub.ErrResponseTooLarge) != test.tooLarge || test.kept == apitest.Profile && err != nil {
				t.Errorf("kept %q, %v", []byte(response.Body), err)
			}
		})
	}
}

// A body that breaks off keeps what came before.
func TestTornBody(t *testing.T) {
	client := apitest.At(t, apitest.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", apitest.JSON)
		w.Header().Set("Content-Length", "100")
		w.Header().Set("Twilio-Request-Id", "RQ1")
		_, _ = w.Write([]byte(`{"sid"`))
	}))
	_, err := client.FetchCustomerProfile(t.Context(), sid)
	var decodeErr *trusthub.DecodeError
	if !errors.As(err, &decodeErr) || !errors.Is(err, io.ErrUnexpectedEOF) ||
		decodeErr.RequestID != "RQ1" || string(decodeErr.Body) != `{"sid"` {
		t.Errorf("got %v", err)
	}
	raw, err := client.Generated().FetchCustomerProfile(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Body.Close()
	var copied strings.Builder
	if _, err := io.Copy(&copied, raw.Body); !errors.Is(err, io.ErrUnexpectedEOF) || copied.String() != `{"sid"` {
		t.Errorf("generated client: copied %q, %v", copied.String(), err)
	}
}

// Memory stays within a few times the limit, whatever a server announces and sends.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 1 << 20
	for name, status := range map[string]int{"answer": 200, "error": 500} {
		client := apitest.Over(t, apitest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Header: http.Header{"Content-Type": {apitest.JSON}}, ContentLength: 1 << 60,
				Body: io.NopCloser(endless{}), Request: req,
			}, nil
		}), trusthub.WithMaxResponseBytes(limit))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := client.FetchCustomerProfile(t.Context(), sid); err == nil {
			t.Error("no error")
		}
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 5*limit {
			t.Errorf("%s: %d bytes allocated for a limit of %d", name, allocated, limit)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Null, absent and empty read the same, and a time that is null or absent is nil.
func TestNullAbsentAndEmptyAreTheSame(t *testing.T) {
	for _, body := range []string{
		`{"sid":null,"account_sid":null,"policy_sid":null,"friendly_name":null,"status":null,"email":null,"status_callback":null,"url":null,"valid_until":null,"date_created":null,"date_updated":null}`,
		`{"sid":"","account_sid":"","policy_sid":"","friendly_name":"","status":"","email":"","status_callback":"","url":""}`,
		`{"links":null}`,
	} {
		profile, err := apitest.Over(t, apitest.CannedJSON(body)).FetchCustomerProfile(t.Context(), sid)
		if err != nil || !reflect.DeepEqual(*profile, trusthub.CustomerProfile{}) {
			t.Errorf("%s: got %+v, %v", body, profile, err)
		}
	}
}
