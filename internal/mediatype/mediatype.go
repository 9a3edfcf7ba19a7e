// Package mediatype reads Content-Type headers.
package mediatype

import (
	"errors"
	"mime"
	"strings"
)

// JSON is the media type of JSON.
const JSON = "application/json"

// Of returns the media type of a Content-Type header, in lower case and without parameters, which
// may be malformed. It is "" when the header has none.
func Of(contentType string) string {
	if contentType == JSON { // the usual header need not be parsed
		return JSON
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return mediaType
}

// IsJSON reports whether a media type is JSON or built on it (RFC 6839).
func IsJSON(mediaType string) bool {
	return mediaType == JSON || strings.HasSuffix(mediaType, "+json")
}
