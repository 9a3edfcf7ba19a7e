package contract

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"

	"github.com/seed07fc1495/trusthub/api"
)

// document is the parsed OpenAPI document.
type document struct {
	spec  *openapi3.T
	paths []pathTemplate
}

// pathTemplate matches the requests of one path of the document, behind any base path.
type pathTemplate struct {
	path       string
	pattern    *regexp.Regexp
	parameters []string
}

// load parses the document of the SDK, once.
var load = sync.OnceValues(func() (*document, error) { return parse(api.Spec()) })

func parse(spec []byte) (*document, error) {
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	// For this document only, since the whole program shares kin-openapi's table of formats. It has no
	// uri, and its date-time permits a second 60, which the client cannot decode.
	doc.SetStringFormatValidator("date-time", openapi3.NewCallbackValidator(checkDateTime))
	doc.SetStringFormatValidator("uri", openapi3.NewCallbackValidator(checkURI))
	d := &document{spec: doc}
	for _, path := range doc.Paths.InMatchingOrder() {
		d.paths = append(d.paths, newPathTemplate(path))
	}
	return d, nil
}

func newPathTemplate(path string) pathTemplate {
	parameter := regexp.MustCompile(`\\\{([^/]+?)\\\}`) // QuoteMeta writes {name} like this
	template := pathTemplate{path: path}
	quoted := regexp.QuoteMeta(path)
	for _, match := range parameter.FindAllStringSubmatch(quoted, -1) {
		template.parameters = append(template.parameters, match[1])
	}
	template.pattern = regexp.MustCompile(parameter.ReplaceAllString(quoted, `([^/]*)`) + `$`)
	return template
}

// exchange is a request and its operation in the document; nil if there is none.
type exchange struct {
	doc       *document
	request   *http.Request
	path      string
	operation *openapi3.Operation
	params    map[string]string
}

func (d *document) find(req *http.Request) *exchange {
	e := &exchange{doc: d, request: req, params: make(map[string]string)}
	for _, template := range d.paths {
		match := template.pattern.FindStringSubmatch(req.URL.EscapedPath())
		if match == nil {
			continue
		}
		for i, name := range template.parameters {
			value, err := url.PathUnescape(match[i+1])
			if err != nil {
				value = match[i+1]
			}
			e.params[name] = value
		}
		e.path = template.path
		e.operation = d.spec.Paths.Value(template.path).Operations()[cmp.Or(req.Method, http.MethodGet)]
		break
	}
	return e
}

// checkDateTime uses the decoder of the client, since time.Parse accepts more than RFC 3339, such
// as hours of one digit.
func checkDateTime(value string) error {
	text, err := json.Marshal(value)
	if err != nil || json.Unmarshal(text, new(time.Time)) != nil {
		return errors.New("not a date and time of RFC 3339 in capitals, without a leap second")
	}
	return nil
}

func checkURI(value string) error {
	u, err := url.Parse(value)
	if err != nil || !u.IsAbs() || u.Opaque == "" && u.Host == "" && u.Path == "" || !uriCharacters.MatchString(value) {
		return errors.New("not an absolute URI of RFC 3986")
	}
	return nil
}

// uriCharacters matches the characters of RFC 3986, percent only before two hexadecimal digits.
var uriCharacters = regexp.MustCompile(`^(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*$`)
