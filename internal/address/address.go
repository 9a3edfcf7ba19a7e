// Package address parses and checks base URLs.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/seed07fc1495/trusthub/gen"
	"github.com/seed07fc1495/trusthub/internal/text"
)

// Global returns the address of the global API.
func Global() (*url.URL, error) { return Parse(gen.ServerURLGlobal) }

// Regional returns the address of an edge location and a region. Both must be host labels, so that
// neither leads to another host.
func Regional(edge, region string) (*url.URL, error) {
	if !isHostLabel(edge) || !isHostLabel(region) {
		return nil, fmt.Errorf("edge %q and region %q must be host labels, such as \"dublin\" and \"ie1\"",
			text.Printable(edge, 63), text.Printable(region, 63))
	}
	s, err := gen.NewServerURLRegional(gen.ServerURLRegionalEdgeVariable(edge), gen.ServerURLRegionalRegionVariable(region))
	if err != nil {
		return nil, err
	}
	return Parse(s)
}

// Parse parses a base URL. Its errors never quote the URL, which may hold user info.
func Parse(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return nil, errors.New("the URL is empty")
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("the URL is malformed: want https://host, a port and a path being optional")
	case u.User != nil:
		return nil, errors.New("the URL holds credentials: pass them to NewClient")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return nil, errors.New("the URL has a query or a fragment")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the URL is not https")
	}
	u.Host = strings.TrimSuffix(u.Host, ":") // as in requests
	return u.JoinPath("/"), nil
}

// IsSecure reports whether credentials may be sent to u: over https, or to a loopback address.
func IsSecure(u *url.URL) bool {
	return u.Scheme == "https" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
}

// isHostLabel reports whether s is letters, digits and inner hyphens, 63 at most (RFC 1123).
func isHostLabel(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
