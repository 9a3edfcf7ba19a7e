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
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
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
	return bufio.NewReader(transform.NewReader(r, transform.Chain(encodings.BOMOverride(decoder), plain{})))
}

// plain makes a line feed of each end of a line: CRLF, or CR alone as on old Macs. Bytes that are
// not UTF-8 are read as Windows-1252, in which Excel writes CSV by default.
type plain struct{ transform.NopResetter }

// Transform implements transform.Transformer.
func (plain) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		one, size := utf8.DecodeRune(src[nSrc:])
		switch isLast := nSrc+size == len(src); {
		case !atEOF && (one == '\r' && isLast || !utf8.FullRune(src[nSrc:])):
			return nDst, nSrc, transform.ErrShortSrc
		case one == '\r' && !isLast && src[nSrc+1] == '\n':
			nSrc++
			continue
		case one == '\r':
			one = '\n'
		case one == utf8.RuneError && size == 1:
			one = charmap.Windows1252.DecodeByte(src[nSrc])
		}
		if nDst+utf8.RuneLen(one) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], one)
		nSrc += size
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
