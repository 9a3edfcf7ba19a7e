package trusthub_test

import (
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "update the files of expected output, such as the exported API")

// accepted returns the content of a file of expected output. With -update, it writes got to the
// file first.
func accepted(t *testing.T, file, got string) string {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return readFile(t, file)
}

// The exported API changes only on purpose. A change is accepted by hand and listed in the
// changelog.
func TestExportedAPI(t *testing.T) {
	const file = "testdata/exported.txt"
	var list apiList
	for _, name := range []string{"", "/contract", "/trusthubtest"} {
		list.addPackage(load(t, module+name))
	}
	slices.Sort(list)
	got := strings.Join(slices.Compact(list), "\n") + "\n"
	if want := accepted(t, file, got); got != want {
		t.Errorf("the exported API differs from %s:\n%s\n"+
			"If the change is intended, accept it with: go test -run TestExportedAPI -update .\nand list it in CHANGELOG.md.",
			file, difference(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
}

// The changelog lists each exported function, type and error.
func TestChangelogListsTheAPI(t *testing.T) {
	changelog := readFile(t, "CHANGELOG.md")
	for _, pkg := range []string{"", "contract", "trusthubtest"} {
		scope := load(t, path.Join(module, pkg)).Scope()
		for _, name := range scope.Names() {
			_, isConst := scope.Lookup(name).(*types.Const)
			listed := strings.TrimPrefix(pkg+"."+name, ".")
			if token.IsExported(name) && !isConst && !strings.Contains(changelog, "`"+listed+"`") {
				t.Errorf("CHANGELOG.md does not list %s", listed)
			}
		}
	}
}

// load returns the type information of a package.
func load(t *testing.T, path string) *types.Package {
	t.Helper()
	compiled := make(map[string]string) // export data files by import path
	for _, line := range goList(t, "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", path) {
		name, file, _ := strings.Cut(line, " ")
		compiled[name] = file
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(compiled[path]) }
	pkg, err := importer.ForCompiler(token.NewFileSet(), "gc", open).Import(path)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

// apiList is the exported API: one declaration, field or method per line.
type apiList []string

func (l *apiList) addPackage(pkg *types.Package) {
	for _, name := range pkg.Scope().Names() {
		switch object := pkg.Scope().Lookup(name).(type) {
		case *types.Const:
			l.add(object, "%s = %s", describe(object), object.Val())
		case *types.TypeName:
			if object.IsAlias() {
				l.add(object, "%s", describe(object))
			}
			if named, ok := types.Unalias(object.Type()).(*types.Named); ok && object.Exported() {
				l.addType(named) // declared in another package if it has an alias
			}
		default:
			l.add(object, "%s", describe(object))
		}
	}
}

func (l *apiList) addType(named *types.Named) {
	if structure, ok := named.Underlying().(*types.Struct); !ok {
		l.add(named.Obj(), "%s", describe(named.Obj()))
	} else {
		l.add(named.Obj(), "type %s struct", named.Obj().Name())
		for field := range structure.Fields() {
			l.add(field, "type %s struct, %s", named.Obj().Name(), describe(field))
		}
	}
	for method := range named.Methods() {
		l.add(method, "%s", describe(method))
	}
}

func (l *apiList) add(object types.Object, format string, args ...any) {
	if object.Exported() {
		*l = append(*l, object.Pkg().Name()+": "+fmt.Sprintf(format, args...))
	}
}

// describe formats a declaration, with package names for types of other packages.
func describe(object types.Object) string {
	return types.ObjectString(object, func(pkg *types.Package) string {
		if pkg == object.Pkg() {
			return ""
		}
		return pkg.Name()
	})
}

// difference returns the lines that were removed and added.
func difference(before, after []string) string {
	var out strings.Builder
	for _, line := range before {
		if !slices.Contains(after, line) {
			fmt.Fprintln(&out, "-", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			fmt.Fprintln(&out, "+", line)
		}
	}
	return out.String()
}

const module = "github.com/seed07fc1495/trusthub"

// The imports between the packages of this module, except in tests. A program that only fetches
// must not link a validator.
func TestImports(t *testing.T) {
	allowed := map[string][]string{
		"":                  {"/gen", "/internal/address", "/internal/apierror", "/internal/attempt", "/internal/decode", "/internal/env", "/internal/fanout", "/internal/limiter", "/internal/opaque", "/internal/outage", "/internal/properties", "/internal/retry", "/internal/sid", "/internal/sleep", "/internal/text", "/internal/tracker", "/internal/transport", "/internal/webhook"},
		"/api":              nil,
		"/contract":         {"/api", "/internal/apierror", "/internal/mediatype", "/internal/properties"},
		"/gen":              nil,
		"/internal/limiter": {"/internal/attempt"},
		"/internal/outage":  {"/internal/attempt", "/internal/limiter", "/internal/retry"},
		"/internal/retry":   {"/internal/attempt", "/internal/limiter"},
		"/internal/decode":  {"/gen", "/internal/mediatype", "/internal/properties"},
		"/internal/address": {"/gen", "/internal/text"},
		"/internal/webhook": {"/internal/sid", "/internal/text"},
		"/trusthubtest":     {"", "/internal/properties", "/internal/sid", "/internal/sleep", "/internal/webhook"},
	}
	for _, line := range goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		words := strings.Fields(line)
		name := strings.TrimPrefix(words[0], module)
		if isForTests(name) {
			continue
		}
		permitted, ok := allowed[name]
		if !ok && !strings.HasPrefix(name, "/internal/") {
			t.Errorf("package %s has no rule here", words[0])
		}
		for _, imported := range words[1:] {
			if inside, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(permitted, inside) {
				t.Errorf("%s imports %s", words[0], imported)
			}
		}
	}
}

// isForTests reports whether only tests and examples import a package.
func isForTests(name string) bool {
	return slices.ContainsFunc([]string{"apitest", "gatewaytest", "readme/", "e2e"}, func(test string) bool {
		return strings.HasPrefix(name, "/internal/"+test)
	})
}

// The modules that a program with the SDK compiles.
func TestDependencies(t *testing.T) {
	allowed := []string{
		module,
		"github.com/apapsch/go-jsonmerge/v2", // used by the runtime of the generated client, like uuid
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
