package webhook

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// NamedKey is a key with a name for people, such as that of its variable.
type NamedKey struct {
	Key
	Name string
}

// Explanation says which changes make a signature valid. It is not a verdict: never accept a
// request because of it.
type Explanation struct {
	Key       string // the name of the key that signed
	Algorithm Algorithm
	Changes   []string // the changes of the captured request, in words; none: it is valid as it is
}

// Explain returns the explanation with the fewest changes. It returns false if no combination of
// the known changes is valid.
func Explain(r *http.Request, address string, keys []NamedKey) (best Explanation, found bool) {
	signature := []byte(r.Header.Get(SignatureHeader))
	parsed, ok := ParseAddress(address)
	if !ok {
		return Explanation{}, false
	}
	bodies := contents(r, address)
	for _, key := range keys {
		for _, algorithm := range key.algorithms() {
			for _, url := range addresses(parsed, r.Header) {
				for _, content := range bodies {
					if subtle.ConstantTimeCompare(signature, []byte(key.Sign(algorithm, url.text, content.signed))) == 0 {
						continue
					}
					changes := slices.Concat(headerChanges(r, key, algorithm), url.changes, content.changes)
					if !found || len(changes) < len(best.Changes) {
						best, found = Explanation{key.Name, algorithm, changes}, true
					}
				}
			}
		}
	}
	return best, found
}

func (k Key) algorithms() []Algorithm {
	if k.id == "" {
		return []Algorithm{SHA1}
	}
	return []Algorithm{SHA256, SHA1}
}

func headerChanges(r *http.Request, key NamedKey, algorithm Algorithm) []string {
	id, named, err := settings(r.Header)
	switch present := len(r.Header.Values(SettingsHeader)) > 0; {
	case key.id == "" && present:
		return []string{"without the header " + SettingsHeader + ", because an auth token has signed"}
	case key.id == "":
		return nil
	case !present:
		return []string{"with the header " + SettingsHeader + ", which something on the way has dropped"}
	case err != nil || id != key.id || named != algorithm:
		return []string{"with the header " + SettingsHeader + " naming that key and " + string(algorithm)}
	}
	return nil
}

// variant is a part of a request after some changes.
type variant struct {
	text    string // of a URL
	signed  []byte // of a body
	changes []string
}

// addresses returns the spellings of a URL that are tried. Those that Verify accepts are not
// changes.
func addresses(original Address, header http.Header) (all []variant) {
	type changed struct {
		Address
		changes []string
	}
	combinations := []changed{{Address: original}}
	for _, alternatives := range alternatives(original.Query, header) {
		for _, before := range combinations {
			for _, change := range alternatives {
				after := before
				change.apply(&after.Address)
				if after.Address != before.Address {
					after.changes = append(slices.Clip(before.changes), change.words)
					combinations = append(combinations, after)
				}
			}
		}
	}
	for _, c := range combinations {
		for _, spelling := range c.spellings() {
			all = append(all, variant{text: spelling, changes: c.changes})
		}
	}
	return all
}

// alternative is a change of a URL.
type alternative struct {
	words string
	apply func(*Address)
}

// alternatives returns the changes of each part of a URL. One of them is made at a time.
func alternatives(query string, header http.Header) [][]alternative {
	port := func(port string) alternative {
		return alternative{"with the port " + port, func(a *Address) { a.Port = ":" + port }}
	}
	queries := []alternative{
		{"without the fragment", func(a *Address) { a.Query, _, _ = strings.Cut(a.Query, "#") }},
		{"without the query", func(a *Address) { a.Query = "" }},
		{"with %20 in place of + in the query", func(a *Address) { a.Query = strings.ReplaceAll(a.Query, "+", "%20") }},
		{"with + in place of %20 in the query", func(a *Address) { a.Query = strings.ReplaceAll(a.Query, "%20", "+") }},
	}
	for _, order := range orders(query) {
		queries = append(queries, alternative{"with the parameters of the query in another order", func(a *Address) { a.Query = order }})
	}
	return [][]alternative{
		{
			{"with https in place of http", func(a *Address) { a.Scheme = "https://" }},
			{"with http in place of https", func(a *Address) { a.Scheme = "http://" }},
		},
		{port("443"), port("80"), port("8080"), port("8443")},
		forwardedHosts(header),
		append(forwardedPaths(header), []alternative{
			{"with a / at the end of the path", func(a *Address) { a.Path = strings.TrimSuffix(a.Path, "/") + "/" }},
			{"without the / at the end of the path", func(a *Address) { a.Path = strings.TrimSuffix(a.Path, "/") }},
			{"with the path unescaped", func(a *Address) { a.Path = unescaped(a.Path) }},
			{"with the path escaped in another way", func(a *Address) { a.Path = (&url.URL{Path: unescaped(a.Path)}).EscapedPath() }},
			{"without the first part of the path", func(a *Address) {
				_, rest, _ := strings.Cut(strings.TrimPrefix(a.Path, "/"), "/")
				a.Path = "/" + rest
			}},
		}...),
		queries,
	}
}

// forwardedHosts returns the hosts that headers name.
func forwardedHosts(header http.Header) (all []alternative) {
	for _, name := range []string{"X-Forwarded-Host", "X-Original-Host", "Host"} {
		if named, ok := ParseAddress("https://" + header.Get(name)); ok {
			all = append(all, alternative{"with the host of the header " + name, func(a *Address) { a.Host, a.Port = named.Host, named.Port }})
		}
	}
	return all
}

// forwardedPaths returns the paths that headers of proxies name.
func forwardedPaths(header http.Header) (all []alternative) {
	for _, name := range []string{"X-Original-Uri", "X-Forwarded-Uri"} {
		if named, ok := ParseAddress("https://h" + header.Get(name)); ok && header.Get(name) != "" {
			all = append(all, alternative{"with the path of the header " + name, func(a *Address) { a.Path, a.Query = named.Path, named.Query }})
		}
	}
	if prefix := header.Get("X-Forwarded-Prefix"); prefix != "" {
		all = append(all, alternative{"with the prefix of the header X-Forwarded-Prefix", func(a *Address) { a.Path = strings.TrimSuffix(prefix, "/") + a.Path }})
	}
	return all
}

func unescaped(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// orders returns a query with its parameters in every order, or sorted if there are more than 5.
func orders(query string) (all []string) {
	parameters := strings.Split(strings.TrimPrefix(query, "?"), "&")
	if len(parameters) > 5 {
		return []string{"?" + strings.Join(slices.Sorted(slices.Values(parameters)), "&")}
	}
	var permute func(done, left []string)
	permute = func(done, left []string) {
		if len(left) == 0 {
			all = append(all, "?"+strings.Join(done, "&"))
		}
		for i, next := range left {
			permute(append(slices.Clone(done), next), slices.Delete(slices.Clone(left), i, i+1))
		}
	}
	if query != "" {
		permute(nil, parameters)
	}
	return all
}

// contents returns the texts that a signature may cover besides the URL.
func contents(r *http.Request, address string) []variant {
	message, err := Read(r, address)
	if err != nil {
		return []variant{{changes: []string{"without the body"}}}
	}
	var all []variant
	add := func(parameters url.Values, err error, changes ...string) {
		if err == nil {
			all = append(all, variant{signed: Text(parameters), changes: changes})
		}
	}
	parameters, err := message.Parameters()
	add(parameters, err)
	if err != nil {
		add(nil, nil, "with another body: this one is not that of the bodySHA256, or not a form")
	}
	body := string(message.body)
	form, err := url.ParseQuery(body)
	add(form, err, "with the body as a form, whatever bodySHA256 is")
	form, err = url.ParseQuery(strings.TrimRight(body, "\r\n"))
	add(form, err, "without the line break at the end of the body")
	add(nil, nil, "without the parameters of the body")
	form, err = message.address.Parameters()
	add(form, err, "with the parameters of the query signed as a form, too")
	return all
}
