// Package sid checks the SIDs of Customer Profiles.
package sid

import "strings"

// IsValid reports whether s matches ^BU[0-9a-fA-F]{32}$, the pattern of the OpenAPI document.
func IsValid(s string) bool {
	digits, ok := strings.CutPrefix(s, "BU")
	if !ok || len(digits) != 32 {
		return false
	}
	for _, c := range []byte(digits) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
