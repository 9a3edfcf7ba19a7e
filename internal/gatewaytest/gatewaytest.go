// Package gatewaytest has responses for tests: those of proxies, gateways, firewalls and portals in
// place of Twilio's, and Twilio's own errors as documented.
package gatewaytest

import (
	"net/http"
	"strings"

	"github.com/seed07fc1495/trusthub/trusthubtest"
)

const (
	htmlType  = "text/html"
	jsonType  = "application/json"
	plainType = "text/plain; charset=utf-8"
)

// Gateways returns responses without a sign of Twilio, by sender and status: the presets of
// trusthubtest, and more.
func Gateways() map[string]trusthubtest.Fault {
	all := map[string]trusthubtest.Fault{
		"akamai-403":            page(403, "AkamaiGHost", "Access Denied", "Reference #18.9d2f1702.1764230400.1a2b3c4d"),
		"alb-502":               page(502, "awselb/2.0", "502 Bad Gateway", ""),
		"apache-404":            page(404, "Apache/2.4.65 (Debian)", "404 Not Found", "The requested URL was not found on this server."),
		"apigee-404":            withJSON(404, `{"fault":{"faultstring":"Unable to identify proxy for host: default and url: /v1/CustomerProfiles","detail":{"errorcode":"messaging.adaptors.http.flow.ApplicationNotFound"}}}`),
		"azure-401":             withJSON(401, `{"statusCode":401,"message":"Access denied due to missing subscription key."}`),
		"azure-403":             withJSON(403, `{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization."}}`),
		"cloudflare-429":        withText(429, "cloudflare", "error code: 1015"),
		"cloudflare-521":        page(521, "cloudflare", "Web server is down", "Error code 521"),
		"cloudfront-403":        page(403, "CloudFront", "ERROR: The request could not be satisfied", "Request blocked."),
		"empty-400":             {Status: 400, Empty: true, Header: http.Header{"Twilio-Request-Id": nil}},
		"empty-401":             {Status: 401, Empty: true, Header: http.Header{"Twilio-Request-Id": nil, "Www-Authenticate": {"Basic"}}},
		"empty-404":             {Status: 404, Empty: true, Header: http.Header{"Twilio-Request-Id": nil}},
		"firewall-451":          page(451, "", "Unavailable For Legal Reasons", "This site is blocked by your organization."),
		"five-digits-404":       withJSON(404, `{"code":40404,"message":"service not found","status":404}`),
		"google-401":            withJSON(401, `{"code":401,"message":"UNAUTHENTICATED: Method doesn't allow unregistered callers"}`),
		"grpc-404":              withJSON(404, `{"code":5,"message":"Not Found","details":[]}`),
		"haproxy-408":           page(408, "", "408 Request Time-out", "Your browser didn't send a complete request in time."),
		"haproxy-503":           page(503, "", "503 Service Unavailable", "No server is available to handle this request."),
		"iis-403":               page(403, "Microsoft-IIS/10.0", "403 - Forbidden: Access is denied.", ""),
		"istio-403":             withText(403, "istio-envoy", "RBAC: access denied"),
		"kubernetes-403":        withJSON(403, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"forbidden","reason":"Forbidden","code":403}`),
		"nginx-413":             page(413, "nginx", "413 Request Entity Too Large", ""),
		"nginx-414":             page(414, "nginx", "414 Request-URI Too Large", ""),
		"portal-302":            {Status: 302, Header: http.Header{"Twilio-Request-Id": nil, "Location": {"http://portal.example.com/login"}}},
		"portal-511":            page(511, "", "Network Authentication Required", "Please log in."),
		"portal-json-200":       withJSON(200, `{"login":"required","location":"http://portal.example.com/"}`),
		"somebodys-problem-404": problem(404, `{"type":"about:blank","title":"Not Found","status":404,"detail":"No static resource.","instance":"/v1/CustomerProfiles"}`),
		"spring-404":            withJSON(404, `{"timestamp":"2026-11-27T08:00:00.000+00:00","status":404,"error":"Not Found","path":"/v1/CustomerProfiles"}`),
		"traefik-404":           withText(404, "", "404 page not found\n"),
		"tyk-403":               withJSON(403, `{"error":"Access to this API has been disallowed"}`),
	}
	for _, name := range trusthubtest.Gateways() {
		all[name] = trusthubtest.Gateway(name)
	}
	return all
}

// Twilios returns errors of Twilio without its header, which only their bodies distinguish from a
// gateway's: in the documented shape, in the newer one, and as problem details (RFC 9457).
func Twilios() map[string]trusthubtest.Fault {
	return map[string]trusthubtest.Fault{
		"old-400":         withJSON(400, `{"code":20001,"message":"Invalid parameter","detail":"Sid","more_info":"https://www.twilio.com/docs/api/errors/20001","status":400}`),
		"old-401":         withJSON(401, `{"code":20003,"message":"Authenticate","more_info":"https://www.twilio.com/docs/errors/20003","status":401}`),
		"old-403":         withJSON(403, `{"code":70051,"message":"Authorization error","more_info":"https://www.twilio.com/docs/errors/70051","status":403}`),
		"old-404":         withJSON(404, `{"code":20404,"message":"Not found","more_info":"https://www.twilio.com/docs/errors/20404","status":404}`),
		"old-429":         withJSON(429, `{"code":20429,"message":"Too many requests","more_info":"https://www.twilio.com/docs/errors/20429","status":429}`),
		"old-503":         withJSON(503, `{"code":20503,"message":"Service unavailable","more_info":"https://www.twilio.com/docs/errors/20503","status":503}`),
		"odd-code-403":    withJSON(403, `{"code":"20403","message":"Forbidden","more_info":"https://www.twilio.com/docs/errors/20403","status":403}`),
		"newer-404":       withJSON(404, `{"code":20404,"message":"Not found","httpStatusCode":404,"params":{},"userError":true}`),
		"newer-500":       withJSON(500, `{"code":20500,"message":"Internal error","httpStatusCode":500,"params":{},"userError":false}`),
		"problem-404":     problem(404, `{"type":"https://www.twilio.com/docs/api/errors/20404","title":"Not found","status":404,"detail":"No such profile","instance":"/v1","code":20404}`),
		"problem-429":     problem(429, `{"type":"https://www.twilio.com/docs/api/errors/20429","title":"Too many requests","status":429,"code":20429}`),
		"problem-odd-403": problem(403, `{"type":"https://www.twilio.com/docs/api/errors/20403","title":"Forbidden","status":"403","detail":["x"],"code":20403}`),
	}
}

func fault(status int, contentType, server, body string) trusthubtest.Fault {
	header := http.Header{"Twilio-Request-Id": nil, "Content-Type": {contentType}}
	if server != "" {
		header.Set("Server", server)
	}
	return trusthubtest.Fault{Status: status, Header: header, Body: body}
}

func page(status int, server, title, text string) trusthubtest.Fault {
	return fault(status, htmlType, server, strings.NewReplacer("TITLE", title, "TEXT", text).Replace(
		"<!DOCTYPE html>\n<html><head><title>TITLE</title></head>\n<body><h1>TITLE</h1>\n<p>TEXT</p></body></html>\n"))
}

func withText(status int, server, body string) trusthubtest.Fault {
	return fault(status, plainType, server, body)
}

func withJSON(status int, body string) trusthubtest.Fault { return fault(status, jsonType, "", body) }

func problem(status int, body string) trusthubtest.Fault {
	return fault(status, "application/problem+json", "", body)
}
