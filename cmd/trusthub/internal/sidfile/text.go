package sidfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"

	"golang.org/x/text/encoding"
	encodings "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/runenames"
)

// newText returns the content of a file in UTF-8. It fails if the file is not text.
func newText(r io.Reader) (*bufio.Reader, error) {
	raw := bufio.NewReaderSize(r, 4096)
	_, _ = raw.Peek(4) // waits for the first bytes only, since a pipe may be slow
	sample, _ := raw.Peek(min(raw.Buffered(), 512))
	if e := encodingOf(sample); e != nil {
		return lines(raw, e.NewDecoder()), nil
	}
	kind, _, _ := strings.Cut(http.DetectContentType(sample), ";")
	if kind == "image/bmp" && bytes.IndexByte(sample, 0) < 0 { // just begins with BM
		kind = "text/plain"
	}
	switch kind {
	case "text/plain", "application/octet-stream": // the latter has a control character
		return lines(raw, transform.Nop), nil
	case "application/zip":
		return nil, errors.New("this is a zip archive, such as an .xlsx of Excel: save it as CSV")
	case "text/html":
		return nil, errors.New("this is an HTML page, not a list or a CSV file")
	default:
		return nil, fmt.Errorf("this is %s, not a list or a CSV file", kind)
	}
}

func lines(r io.Reader, decoder transform.Transformer) *bufio.Reader {
	return bufio.NewReader(transform.NewReader(r, transform.Chain(encodings.BOMOverride(decoder), lineEnds{})))
}

// lineEnds makes a line feed of each end of a line: CRLF, or CR alone as on old Macs.
type lineEnds struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (lineEnds) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for ; nSrc < len(src); nSrc++ {
		one := src[nSrc]
		if one == '\r' {
			switch isLast := nSrc+1 == len(src); {
			case isLast && !atEOF:
				return nDst, nSrc, transform.ErrShortSrc
			case !isLast && src[nSrc+1] == '\n':
				continue
			}
			one = '\n'
		}
		if nDst == len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		dst[nDst] = one
		nDst++
	}
	return nDst, nSrc, nil
}

// encodingOf returns UTF-16, which PowerShell and Excel write, or nil. In UTF-16 without a byte
// order mark, every second byte of ASCII is 0.
func encodingOf(sample []byte) encoding.Encoding {
	var zeros [2]int
	for i, b := range sample {
		if b == 0 {
			zeros[i%2]++
		}
	}
	half := len(sample) / 2
	switch {
	case bytes.HasPrefix(sample, []byte{0xff, 0xfe}), zeros[1]*2 > half && zeros[0]*4 < half:
		return encodings.UTF16(encodings.LittleEndian, encodings.UseBOM)
	case bytes.HasPrefix(sample, []byte{0xfe, 0xff}), zeros[0]*2 > half && zeros[1]*4 < half:
		return encodings.UTF16(encodings.BigEndian, encodings.UseBOM)
	}
	return nil
}

// Trim removes white space and invisible characters around s. It reports whether there were
// invisible ones.
func Trim(s string) (trimmed string, changed bool) {
	trimmed = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) })
	return trimmed, trimmed != strings.TrimSpace(s)
}

func isInvisible(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }

// Flaw names the first invisible or non-ASCII character of a malformed SID; "" if it has none.
func Flaw(sid string) string {
	before := 0
	for _, r := range sid {
		if isInvisible(r) || r > unicode.MaxASCII {
			return fmt.Sprintf("U+%04X %s after %s", r, runenames.Name(r), place(before))
		}
		before++
	}
	return ""
}

func place(before int) string {
	if before > len("BU") {
		return fmt.Sprintf("digit %d", before-len("BU"))
	}
	return fmt.Sprintf("character %d", before)
}
