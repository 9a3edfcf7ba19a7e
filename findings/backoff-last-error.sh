#!/usr/bin/env bash
# cenkalti/backoff v5.0.3: when the context ends a wait, Retry drops the error of the last attempt.
#
# Guess: the error of Retry matches both the context's error and that of the attempt, or at least
# names it.
# Found: it is the context's alone. A log then says "context deadline exceeded", and not that the
# server answered 503 all the time. To have both, keep the last error, or use the schedule without
# Retry.
# Source: retry.go of that version.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

var errServer = errors.New("status 503")

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	attempts := 0
	_, err := backoff.Retry(ctx, func() (string, error) { attempts++; return "", errServer },
		backoff.WithBackOff(backoff.NewConstantBackOff(time.Second)))
	fmt.Println("attempts:", attempts, "is the context's:", errors.Is(err, context.DeadlineExceeded),
		"is the attempt's:", errors.Is(err, errServer), "names it:", strings.Contains(err.Error(), "503"))
}
GO
go mod init finding > /dev/null 2>&1
go get github.com/cenkalti/backoff/v5@v5.0.3 > /dev/null 2>&1
got=$(go run .)
echo "cenkalti/backoff v5.0.3: $got"
[ "$got" = "attempts: 1 is the context's: true is the attempt's: false names it: false" ]
