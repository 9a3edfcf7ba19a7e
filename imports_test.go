package trusthub_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seed07fc1495/trusthub"

// Who may import whom inside this module, tests aside. A program that only fetches must not carry a
// validator.
func TestImports(t *testing.T) {
	allowed := map[string][]string{
		"":              {"/gen", "/internal/address", "/internal/apierror", "/internal/attempt", "/internal/decode", "/internal/fanout", "/internal/limiter", "/internal/outage", "/internal/retry", "/internal/sid", "/internal/text", "/internal/transport", "/internal/webhook"},
		"/api":          nil,
		"/contract":     {"/api", "/internal/apierror"},
		"/gen":          nil,
		"/trusthubtest": {"", "/internal/properties", "/internal/webhook"},
	}
	for _, line := range goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		words := strings.Fields(line)
		name := strings.TrimPrefix(words[0], module)
		if strings.HasPrefix(name, "/internal/") {
			continue
		}
		permitted, ok := allowed[name]
		if !ok {
			t.Errorf("package %s has no rule here", words[0])
		}
		for _, imported := range words[1:] {
			if inside, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(permitted, inside) {
				t.Errorf("%s imports %s", words[0], imported)
			}
		}
	}
}

// What a program that imports the SDK compiles, besides the standard library.
func TestDependencies(t *testing.T) {
	allowed := []string{
		module,
		"github.com/apapsch/go-jsonmerge/v2", // of the generated client's runtime, as is uuid
		"github.com/cenkalti/backoff/v5",
		"github.com/go-json-experiment/json",
		"github.com/google/uuid",
		"github.com/oapi-codegen/runtime",
	}
	for _, root := range []string{".", "./trusthubtest"} {
		for _, dependency := range goList(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", root) {
			if !slices.ContainsFunc(allowed, func(prefix string) bool {
				return dependency == prefix || strings.HasPrefix(dependency, prefix+"/")
			}) || dependency == module+"/api" {
				t.Errorf("%s depends on %s", root, dependency)
			}
		}
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
