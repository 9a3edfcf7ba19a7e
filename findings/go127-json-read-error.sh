#!/usr/bin/env bash
# encoding/json of Go 1.27.4: a Decoder drops the error of a Read that also returned data.
#
# Guess: an error of the reader, such as a timeout, ends Decode with that error, as before.
# Found: if the same Read returned data that does not complete the value, the Decoder reads again.
# If that Read succeeds, Decode succeeds, and the timeout is lost. io.Reader permits an error beside
# data, and does not say that the next Read has to return it again.
# Source: jsontext's decodeBuffer.fetch, behind Decoder in encoding/json/v2_stream.go of that
# version.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// late returns its first part together with a timeout.
type late struct{ reads int }

func (l *late) Read(p []byte) (int, error) {
	switch l.reads++; l.reads {
	case 1:
		return copy(p, `{"sid":"BU1"`), os.ErrDeadlineExceeded
	case 2:
		return copy(p, `,"status":"draft"}`), nil
	}
	return 0, io.EOF
}

func main() {
	var profile map[string]string
	err := json.NewDecoder(new(late)).Decode(&profile)
	fmt.Println(profile, err)
}
GO
go mod init finding > /dev/null 2>&1
old=$(GOTOOLCHAIN=go1.26.8 go run .)
new=$(GOTOOLCHAIN=go1.27.4 go run .)
echo "go1.26.8: $old"
echo "go1.27.4: $new"
[ "$old" = "map[] i/o timeout" ] && [ "$new" = "map[sid:BU1 status:draft] <nil>" ]
