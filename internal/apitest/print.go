package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
)

// EveryForm prints a value under every verb, in slog and in JSON.
func EveryForm(t testing.TB, value any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "t", "b", "o", "e", "g", "c", "U", "100v", "-100s", ".3s"} {
		fmt.Fprintf(&out, "%"+verb+"\n", value)
	}
	withoutTime := &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, withoutTime), slog.NewTextHandler(&out, withoutTime)} {
		slog.New(handler).Info("m", "value", value)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return out.String() + string(encoded)
}
