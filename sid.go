package trusthub

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalidSID says that a string is not the SID of a Customer Profile, "BU" and 32 hexadecimal digits. Nothing was
// sent.
var ErrInvalidSID = errors.New("trusthub: invalid Customer Profile SID")

func checkSID(sid string) error {
	if isSID(sid) {
		return nil
	}
	return fmt.Errorf("%w %q: want BU and 32 hexadecimal digits", ErrInvalidSID, printable(sid, 40))
}

// isSID reports whether sid matches ^BU[0-9a-fA-F]{32}$, the pattern of the contract.
func isSID(sid string) bool {
	digits, ok := strings.CutPrefix(sid, "BU")
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
