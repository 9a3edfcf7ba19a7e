package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// theirs has more than ours: another operation, another path, prose and extensions, none of which counts.
const theirs = `
openapi: 3.0.1
info: {title: Theirs, version: '7'}
security:
  - key: []
paths:
  /Boats/{Sid}:
    description: not ours
    servers:
      - url: https://boats.example
    parameters:
      - {name: Sid, in: path, required: true, schema: {type: string, pattern: ^BO}}
    get:
      operationId: FetchBoat
      summary: theirs
      tags: [Their]
      x-theirs: true
      responses:
        '200':
          description: theirs
          headers:
            Knots: {schema: {type: integer}, example: 4}
          content:
            application/json:
              schema: {$ref: '#/components/schemas/boat'}
    delete:
      responses:
        '204': {description: sunk}
  /Harbours:
    get:
      responses:
        '200': {description: theirs}
components:
  securitySchemes:
    key: {type: http, scheme: basic}
  schemas:
    boat:
      type: object
      description: theirs
      properties:
        name: {type: string, nullable: true}
        state: {$ref: '#/components/schemas/state'}
        cargo: {type: array, items: {}}
    state:
      type: string
      enum: [afloat, sunk]
`

const ours = `
openapi: 3.0.3
info: {title: Ours, version: 1.0.0}
servers:
  - url: https://boats.example
security:
  - password: []
paths:
  /Boats/{Sid}:
    get:
      operationId: FetchBoat
      externalDocs: {url: https://boats.example/docs}
      tags: [Ours]
      parameters:
        - {name: Sid, in: path, required: true, schema: {type: string, pattern: ^BO}}
      responses:
        '200':
          description: ours
          headers:
            Knots: {schema: {type: integer}}
          content:
            application/json:
              schema:
                type: object
                properties:
                  name: {type: string, nullable: true}
                  state: {type: string, enum: [afloat, sunk]}
                  cargo: {type: array, items: {type: object}}
        '404': {description: unknown}
components:
  securitySchemes:
    password: {type: http, scheme: basic}
`

const meant = `
# The reason why.
paths /Boats/{Sid} operations GET responses 200 content application/json schema properties cargo items type only ours: object

# The names are better.
paths /Boats/{Sid} operations GET tags only theirs: Their
paths /Boats/{Sid} operations GET tags only ours: Ours
paths /Boats/{Sid} operations GET securityRequirements only ours: index 0, schemes password
paths /Boats/{Sid} operations GET securityRequirements only theirs: index 0, schemes key

# A reason of
# two lines.
paths /Boats/{Sid} operations GET responses only ours: 404
`

func TestDrift(t *testing.T) {
	const get = "paths /Boats/{Sid} operations GET "
	const property = get + "responses 200 content application/json schema properties "
	var gone []string
	for line := range strings.Lines(meant) {
		if strings.HasPrefix(line, get) {
			gone = append(gone, "no longer there: "+strings.TrimSpace(line))
		}
	}
	for name, test := range map[string]struct {
		before, after string // in their document
		want          []string
	}{
		"as meant":         {"theirs", "theirs", nil},
		"prose":            {"theirs", "reworded", nil},
		"a new property":   {"state: {", "hue: {}\n        state: {", []string{"not meant: " + property + "only theirs: hue"}},
		"a property gone":  {"name: {type: string, nullable: true}", "", []string{"not meant: " + property + "only ours: name"}},
		"no longer null":   {"nullable: true", "nullable: false", []string{"not meant: " + property + "name nullable theirs false, ours true"}},
		"a new state":      {"sunk]", "sunk, docked]", []string{"not meant: " + property + "state enum only theirs: docked"}},
		"another pattern":  {"^BO", "^BA", []string{"not meant: " + get + `parameters path Sid schema pattern theirs "^BA", ours "^BO"`}},
		"a new header":     {"Knots:", "Wind: {}\n            Knots:", []string{"not meant: " + get + "responses 200 headers only theirs: Wind"}},
		"another security": {"scheme: basic", "scheme: bearer", []string{`not meant: components securitySchemes 0 scheme theirs "bearer", ours "basic"`}},
		"another server": {"https://boats", "https://ships", []string{
			"not meant: " + get + "servers only ours: https://boats.example", "not meant: " + get + "servers only theirs: https://ships.example",
		}},
		"another method": {"get:\n      operationId", "put:\n      operationId", append([]string{
			"not meant: components securitySchemes only ours: 0", "not meant: paths /Boats/{Sid} operations only ours: GET",
		}, gone...)},
		"another path": {"/Boats/", "/Ships/", append([]string{
			"not meant: components securitySchemes only ours: 0", "not meant: paths only ours: /Boats/{Sid}",
		}, gone...)},
		"now as ours": {"items: {}", "items: {type: object}", gone[:1]},
		"as neither":  {"items: {}", "items: {type: string}", []string{"not meant: " + property + "cargo items type only theirs: string"}},
	} {
		got, err := drift(write(t, strings.ReplaceAll(theirs, test.before, test.after)), write(t, ours), write(t, meant))
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v\n%s\nand not\n%s", name, err, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

func TestEachDifferenceHasItsReason(t *testing.T) {
	if _, err := readMeant("../../api/drift.txt"); err != nil {
		t.Error(err)
	}
	if _, err := readMeant(write(t, meant+"\ntags only ours: Another\n")); err == nil || !strings.Contains(err.Error(), "no reason for: tags only ours: Another") {
		t.Errorf("got %v", err)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
