// Package apierror reads the bodies of error responses. It looks for evidence that Twilio sent
// them, and not a proxy, a gateway or a firewall.
package apierror

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// RequestID is the header that Twilio sends with every response.
const RequestID = "Twilio-Request-Id"

// Body has the documented members of an error body. A member that is missing or has another type is
// zero.
type Body struct {
	Code     int
	Status   int // the HTTP status that the body names
	Message  string
	MoreInfo string
	Detail   string // text beside Message
}

// Read reads an error body in one of Twilio's shapes, {code, message, more_info, status} and {code,
// message, httpStatusCode}, or in that of RFC 9457. A member of the wrong type does not affect the
// others.
func Read(body []byte) (b Body) {
	var members map[string]jsontext.Value
	if json.Unmarshal(body, &members, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return Body{}
	}
	b.Code = integer(members["code"])
	if b.Status = integer(members["status"]); b.Status == 0 {
		b.Status = integer(members["httpStatusCode"])
	}
	b.Message, b.Detail = text(members["message"]), text(members["detail"])
	if b.Message == "" {
		b.Message, b.Detail = b.Detail, ""
	}
	if b.Message == "" {
		b.Message = text(members["title"])
	}
	if b.MoreInfo = text(members["more_info"]); b.MoreInfo == "" {
		b.MoreInfo = text(members["type"])
	}
	return b
}

// FromTwilio reports whether there is evidence that Twilio sent a response: the header with its
// request id, or an error body in one of its shapes. It guards against accidents, not against
// attackers.
func FromTwilio(status int, header http.Header, body []byte) bool {
	return header.Get(RequestID) != "" || status/100 != 2 && Read(body).IsTwilios(status)
}

// IsTwilios reports whether the body of a response with this status holds an address of twilio.com,
// or a code that Twilio documents for its API as a whole. A body with another status is not
// Twilio's.
func (b Body) IsTwilios(status int) bool {
	if b.Status != 0 && b.Status != status {
		return false
	}
	return isTwilios(b.MoreInfo) || slices.Contains(codes(), b.Code)
}

// codes are the codes that any operation of Twilio's API may return
// (https://www.twilio.com/docs/api/errors). Other servers use codes of five digits, too.
func codes() []int {
	return []int{20001, 20003, 20004, 20005, 20006, 20008, 20403, 20404, 20429, 20500, 20503}
}

func isTwilios(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == "twilio.com" || strings.HasSuffix(host, ".twilio.com")
}

// integer reads an integer, also as 20404.0.
func integer(value jsontext.Value) int {
	number, err := strconv.ParseFloat(string(value), 64)
	if err != nil || math.Abs(number) > math.MaxInt32 || number != math.Trunc(number) {
		return 0
	}
	return int(number)
}

func text(value jsontext.Value) (s string) {
	if json.Unmarshal(value, &s, jsontext.AllowInvalidUTF8(true)) != nil {
		return ""
	}
	return s
}
