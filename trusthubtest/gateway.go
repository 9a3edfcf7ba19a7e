package trusthubtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Gateway returns a fault in which a gateway answers in place of Twilio. The name is one of
// [Gateways]. The response has no Twilio-Request-Id. Gateway panics for an unknown name.
//
//	server.Fail(trusthubtest.Gateway("nginx-404"))
func Gateway(name string) Fault {
	fault, ok := gateways()[name]
	if !ok {
		panic(fmt.Sprintf("trusthubtest: Gateway: unknown name %q: want one of %s", name, strings.Join(Gateways(), ", ")))
	}
	return fault
}

// Gateways returns the names for [Gateway], sorted: the kind of the gateway and the status.
func Gateways() []string { return slices.Sorted(maps.Keys(gateways())) }

// docs/FAKE.md has the sources of the shapes.
func gateways() map[string]Fault {
	const htmlType, plainType = "text/html", "text/plain"
	return map[string]Fault{
		"nginx-404": fromGateway(404, htmlType, "nginx", nginxPage("404 Not Found")),
		"nginx-502": fromGateway(502, htmlType, "nginx", nginxPage("502 Bad Gateway")),
		"envoy-503": fromGateway(503, plainType, "envoy",
			"upstream connect error or disconnect/reset before headers. reset reason: connection timeout"),
		"kong-404": fromGateway(404, jsonType, "kong/3.9.1", `{"message":"no Route matched with those values","request_id":"5f1d1c2b7a9e4f30"}`),
		"aws-403": fromGateway(403, "application/json", "", `{"message":"Forbidden"}`,
			"X-Amzn-RequestId", "6f0d2f6e-8c1a-4f0e-9a43-0e5c6f1b7d21", "X-Amzn-ErrorType", "ForbiddenException"),
		"cloudflare-403": fromGateway(403, "text/html; charset=UTF-8", "cloudflare",
			"<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>Attention Required! | Cloudflare</title></head>\n<body>\n"+
				"<h1>Sorry, you have been blocked</h1>\n<h2>You are unable to access twilio.com</h2>\n</body>\n</html>\n",
			"CF-RAY", "7f0a1b2c3d4e5f60-FRA"),
		"squid-407": fromGateway(407, "text/html;charset=utf-8", "squid/6.14",
			"<!DOCTYPE html>\n<html><head>\n<title>ERROR: Cache Access Denied</title>\n</head><body id=ERR_CACHE_ACCESS_DENIED>\n"+
				"<h1>ERROR</h1>\n<h2>Cache Access Denied.</h2>\n</body></html>\n",
			"Proxy-Authenticate", `Basic realm="proxy"`, "X-Squid-Error", "ERR_CACHE_ACCESS_DENIED 0"),
		"portal-200": fromGateway(200, htmlType, "",
			"<html><head><title>Welcome</title></head><body><form action=\"/login\" method=\"post\">Accept the terms to use this network."+
				"<input type=\"submit\" value=\"Accept\"></form></body></html>\n", "Cache-Control", "no-store"),
	}
}

func nginxPage(status string) string {
	return strings.ReplaceAll("<html>\r\n<head><title>STATUS</title></head>\r\n<body>\r\n<center><h1>STATUS</h1></center>\r\n<hr><center>nginx</center>\r\n"+
		"</body>\r\n</html>\r\n", "STATUS", status)
}

// fromGateway returns a response without a sign of Twilio. more are names and values of headers.
func fromGateway(status int, contentType, server, body string, more ...string) Fault {
	header := http.Header{"Twilio-Request-Id": nil, "Content-Type": {contentType}}
	if server != "" {
		header.Set("Server", server)
	}
	for pair := range slices.Chunk(more, 2) {
		header.Set(pair[0], pair[1])
	}
	return Fault{Status: status, Header: header, Body: body}
}
