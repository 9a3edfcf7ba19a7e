// Command drift compares the operations of our OpenAPI document with the same ones in Twilio's own, and names each difference
// that is not meant, and each that is meant and no longer there.
//
//	drift THEIRS OURS MEANT
//
// THEIRS is a file or a URL. In MEANT, a block of differences, one a line, stands below the comment that says why.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: drift THEIRS OURS MEANT")
	}
	problems, err := drift(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	for _, problem := range problems {
		fmt.Println(problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

func drift(theirs, ours, meant string) (problems []string, err error) {
	found, err := differences(theirs, ours)
	if err != nil {
		return nil, err
	}
	expected, err := readMeant(meant)
	if err != nil {
		return nil, err
	}
	for _, difference := range found {
		if !slices.Contains(expected, difference) {
			problems = append(problems, "not meant: "+difference)
		}
	}
	for _, difference := range expected {
		if !slices.Contains(found, difference) {
			problems = append(problems, "no longer there: "+difference)
		}
	}
	return problems, nil
}

// differences lists what oasdiff finds from theirs to ours, in order. Prose, examples and extensions do not count.
func differences(theirs, ours string) ([]string, error) {
	from, err := read(theirs)
	if err != nil {
		return nil, err
	}
	to, err := read(ours)
	if err != nil {
		return nil, err
	}
	config := diff.NewConfig(diff.WithExcludeElements(diff.GetExcludeDiffOptions()))
	found, err := diff.Get(config, operations(from, to), operations(to, to))
	if err != nil {
		return nil, err
	}
	report, err := json.Marshal(found) //nolint:staticcheck // SA1026: its endpoints, which are a copy of its paths, are excluded
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(report, &tree); err != nil {
		return nil, err
	}
	return lines("", tree), nil
}

func read(name string) (*openapi3.T, error) {
	info, err := load.NewSpecInfo(openapi3.NewLoader(), load.NewSource(name), load.WithFlattenParams())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return info.Spec, nil
}

// operations reduces doc to the operations that ours has, each with the servers and the security that hold for it, and to
// how these securities work, under numbers in place of their names.
func operations(doc, ours *openapi3.T) *openapi3.T {
	schemes := openapi3.SecuritySchemes{}
	reduced := &openapi3.T{Paths: openapi3.NewPaths(), Components: &openapi3.Components{SecuritySchemes: schemes}}
	for path, item := range ours.Paths.Map() {
		from := doc.Paths.Value(path)
		if from == nil {
			continue
		}
		to := &openapi3.PathItem{}
		for method := range item.Operations() {
			if from.GetOperation(method) == nil {
				continue
			}
			operation := *from.GetOperation(method)
			operation.ExternalDocs = nil // prose
			operation.Servers = cmp.Or(operation.Servers, notEmpty(from.Servers), &doc.Servers)
			operation.Security = cmp.Or(operation.Security, &doc.Security)
			for i, alternative := range *operation.Security {
				for name := range alternative {
					schemes[strconv.Itoa(i)] = doc.Components.SecuritySchemes[name]
				}
			}
			to.SetOperation(method, &operation)
		}
		reduced.Paths.Set(path, to)
	}
	return reduced
}

func notEmpty(servers openapi3.Servers) *openapi3.Servers {
	if len(servers) == 0 {
		return nil
	}
	return &servers
}

// lines spells out a report, one difference a line: the keys that lead to it, and who says what.
func lines(place string, node any) (all []string) {
	switch node := node.(type) {
	case map[string]any:
		if theirs, changed := node["from"]; changed && len(node) == 2 {
			return []string{fmt.Sprintf("%stheirs %#v, ours %#v", place, theirs, node["to"])}
		}
		words := map[string]string{"added": "only ours: ", "deleted": "only theirs: ", "modified": ""}
		for key, value := range node {
			word, ok := words[key]
			if !ok {
				word = key + " "
			}
			all = append(all, lines(place+word, value)...)
		}
		slices.Sort(all)
	case []any:
		if len(node) == 0 {
			return []string{strings.TrimSpace(place)}
		}
		for _, value := range node {
			all = append(all, place+strings.Join(lines("", value), ", "))
		}
	default:
		all = append(all, fmt.Sprint(place, node))
	}
	return all
}

// readMeant reads the differences that are meant, each of which has a reason.
func readMeant(name string) (meant []string, err error) {
	text, err := os.ReadFile(name) //nolint:gosec // G304: the maintainer's own file
	if err != nil {
		return nil, err
	}
	reason := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			reason = false
		case strings.HasPrefix(line, "#"):
			reason = true
		case !reason:
			return nil, fmt.Errorf("%s: no reason for: %s", name, line)
		default:
			meant = append(meant, line)
		}
	}
	return meant, nil
}
