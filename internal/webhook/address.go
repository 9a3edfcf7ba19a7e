package webhook

import (
	"cmp"
	"net/url"
	"strings"
)

// Address is a URL in parts. String returns exactly the text that was parsed, since Twilio signs a
// text. net/url would escape it again.
type Address struct {
	Scheme   string // "https://"
	UserInfo string // "user:password@"
	Host     string
	Port     string // ":443"
	Path     string
	Query    string // "?a=b", and a fragment
}

// ParseAddress returns false for what has no scheme or no host.
func ParseAddress(address string) (a Address, ok bool) {
	scheme, rest, found := strings.Cut(address, "://")
	a.Scheme = scheme + "://"
	authority, rest := cutBefore(rest, "/?#")
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		a.UserInfo, authority = authority[:at+1], authority[at+1:]
	}
	a.Host = authority
	// of an IPv6 address
	if colon := strings.LastIndex(authority, ":"); colon > strings.LastIndex(authority, "]") {
		a.Host, a.Port = authority[:colon], authority[colon:]
	}
	a.Path, a.Query = cutBefore(rest, "?#")
	return a, found && scheme != "" && !strings.ContainsAny(scheme, "/?#") && a.Host != ""
}

func cutBefore(s, chars string) (before, rest string) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func (a Address) String() string { return a.Scheme + a.UserInfo + a.Host + a.Port + a.Path + a.Query }

// Parameters returns the parameters of the query. On an error, it returns those that it could read.
func (a Address) Parameters() (url.Values, error) {
	query, _, _ := strings.Cut(strings.TrimPrefix(a.Query, "?"), "#")
	return url.ParseQuery(query)
}

// spellings returns the texts that Twilio may have signed for a URL, the URL itself first:
//
//   - with and without the port, since Twilio's signatures are not consistent there;
//   - with and without user and password: the documentation drops them, the libraries keep them;
//   - with and without the slash of a URL without a path.
func (a Address) spellings() []string {
	ports, users, paths := []string{a.Port, a.otherPort()}, []string{a.UserInfo}, []string{a.Path}
	if a.UserInfo != "" {
		users = append(users, "")
	}
	switch a.Path {
	case "":
		paths = append(paths, "/")
	case "/":
		paths = append(paths, "")
	}
	var all []string
	for _, a.UserInfo = range users {
		for _, a.Port = range ports {
			for _, a.Path = range paths {
				all = append(all, a.String())
			}
		}
	}
	return all
}

func (a Address) otherPort() string {
	switch {
	case a.Port != "":
		return ""
	case strings.EqualFold(a.Scheme, "https://"):
		return ":443"
	}
	return ":80"
}

// CalledURL returns the URL that Twilio has called and signed, for a handler that it reaches at
// public.
func CalledURL(public string, u *url.URL) string {
	called := public
	// as received, also with unusual escapes
	if path := cmp.Or(u.RawPath, u.EscapedPath()); path != "" {
		called = strings.TrimSuffix(called, "/") + "/" + strings.TrimPrefix(path, "/")
	}
	if u.RawQuery != "" || u.ForceQuery {
		called += "?" + u.RawQuery
	}
	return called
}
