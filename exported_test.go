package trusthub_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files that say what is meant, such as the exported API")

// accepted returns a file that says what is meant; with -update, that is what there is.
func accepted(t *testing.T, file, got string) string {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return readFile(t, file)
}

// The exported API is a promise. A change to it is accepted by hand, and told in the changelog.
func TestExportedAPI(t *testing.T) {
	const file = "testdata/exported.txt"
	var lines []string
	for _, folder := range []string{".", "contract", "trusthubtest"} {
		lines = append(lines, exported(t, folder)...)
	}
	got := strings.Join(lines, "\n") + "\n"
	if want := accepted(t, file, got); got != want {
		t.Errorf("the exported API is not what %s says:\n%s\n"+
			"If the change is meant, accept it by: go test -run TestExportedAPI -update .\nand tell it in CHANGELOG.md.",
			file, difference(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
}

// exported lists the exported identifiers of a package, one a line.
func exported(t *testing.T, folder string) (lines []string) {
	t.Helper()
	files := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	p, err := doc.NewFromFiles(files, parsed, folder)
	if err != nil {
		t.Fatal(err)
	}
	add := func(format string, args ...any) { lines = append(lines, p.Name+": "+fmt.Sprintf(format, args...)) }
	text := func(node any) string {
		var out bytes.Buffer
		if err := printer.Fprint(&out, files, node); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(out.String()), " ")
	}
	values := func(kind string, all []*doc.Value) {
		for _, value := range all {
			for _, name := range value.Names {
				if ast.IsExported(name) {
					add("%s %s", kind, name)
				}
			}
		}
	}
	functions := func(all []*doc.Func) {
		for _, f := range all {
			f.Decl.Body, f.Decl.Doc = nil, nil
			add("%s", text(f.Decl))
		}
	}
	values("const", p.Consts)
	values("var", p.Vars)
	functions(p.Funcs)
	for _, typ := range p.Types {
		for _, spec := range typ.Decl.Specs {
			spec := spec.(*ast.TypeSpec)
			structure, ok := spec.Type.(*ast.StructType)
			if !ok {
				add("type %s", text(spec))
				continue
			}
			add("type %s struct", spec.Name)
			for _, field := range structure.Fields.List {
				for _, name := range field.Names {
					add("type %s struct, %s %s", spec.Name, name, text(field.Type))
				}
				if field.Names == nil {
					add("type %s struct, %s", spec.Name, text(field.Type))
				}
			}
		}
		values("const", typ.Consts)
		values("var", typ.Vars)
		functions(typ.Funcs)
		functions(typ.Methods)
	}
	slices.Sort(lines)
	return lines
}

// difference shows what was removed and what was added.
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
