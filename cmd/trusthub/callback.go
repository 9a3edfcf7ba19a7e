package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed07fc1495/trusthub/internal/env"
	"github.com/seed07fc1495/trusthub/internal/text"
	"github.com/seed07fc1495/trusthub/internal/webhook"
)

func newExplainCommand() *cobra.Command {
	var c capture
	cmd := &cobra.Command{
		Use:   "explain --url URL --headers FILE",
		Short: "Explain why the signature of a captured callback is not valid",
		Long: "Explain why the signature of a captured callback is not valid: which change of the URL, the body\n" +
			"or the headers, or which other key would make it valid. Nothing is sent, and neither secrets nor\n" +
			"signatures are printed.\n\n" +
			"Use the status_callback of the profile as the URL. If the signature is valid then, but your\n" +
			"service answers 403, its handler has another URL: use PublicURL and the path of the request that\n" +
			"reaches the handler.\n\n" +
			"Keys come from the environment: TWILIO_AUTH_TOKEN, TWILIO_NEXT_AUTH_TOKEN, and pairs of\n" +
			"TWILIO_SHARED_KEY_ID and TWILIO_SHARED_KEY_SECRET, TWILIO_NEXT_SHARED_KEY_ID and\n" +
			"TWILIO_NEXT_SHARED_KEY_SECRET. A file of headers has a header on each line, and may begin with a\n" +
			"request line, such as POST /trusthub HTTP/1.1.\n\n" +
			exitCodes("0 the signature is valid", "1 it is not", "2 wrong use"),
		Example: "  trusthub callback explain --url https://app.example.com/trusthub/BU… \\\n    --headers headers.txt --body body.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := c.request()
			if err != nil {
				return err
			}
			keys, err := keysFromEnv()
			if err != nil {
				return err
			}
			return explain(cmd.OutOrStdout(), r, c.url, keys)
		},
	}
	cmd.Flags().StringVar(&c.url, "url", "", "the URL that Twilio called, with its query and without a fragment")
	cmd.Flags().StringVar(&c.headers, "headers", "", "the file with the headers of the request")
	cmd.Flags().StringVar(&c.body, "body", "", "the file with the exact body (default: no body)")
	cmd.Flags().StringVar(&c.method, "method", "", "the method (default that of the file of headers, or POST)")
	return cmd
}

// capture names the files of a captured request.
type capture struct{ url, headers, body, method string }

func (c *capture) request() (*http.Request, error) {
	if c.url == "" || c.headers == "" {
		return nil, errors.New("trusthub: --url and --headers are required")
	}
	if _, ok := webhook.ParseAddress(c.url); !ok {
		return nil, errors.New("trusthub: --url: want https://host, with the path and the query that were called")
	}
	method, header, err := readHeader(c.headers)
	if err != nil {
		return nil, fmt.Errorf("trusthub: --headers: %w", err)
	}
	r := &http.Request{Method: cmp.Or(strings.ToUpper(c.method), method, http.MethodPost), Header: header, Body: http.NoBody}
	if c.body != "" {
		body, err := os.ReadFile(c.body)
		if err != nil {
			return nil, fmt.Errorf("trusthub: --body: %w", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r, nil
}

// readHeader reads lines of headers. The line before them may have the method.
func readHeader(name string) (method string, header http.Header, err error) {
	content, err := os.ReadFile(name) //nolint:gosec // G304: the user's own
	if err != nil {
		return "", nil, err
	}
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	if fields := strings.Fields(string(first)); len(fields) == 3 && strings.HasPrefix(fields[2], "HTTP/") {
		method, content = fields[0], rest
	}
	content = append(bytes.TrimSpace(content), "\r\n\r\n"...)
	lines, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(content))).ReadMIMEHeader()
	if err != nil {
		// the text of err quotes the line, which may be secret
		return "", nil, fmt.Errorf("%s does not have a header on each line, such as %s: …", name, webhook.SignatureHeader)
	}
	return method, http.Header(lines), nil
}

// keysFromEnv returns the keys, named by their variables.
func keysFromEnv() (keys []webhook.NamedKey, err error) {
	for _, next := range []string{"", "NEXT_"} {
		token := "TWILIO_" + next + "AUTH_TOKEN"
		keys = append(keys, webhook.NamedKey{Key: webhook.AuthToken(os.Getenv(token)), Name: token})
		id, secret := "TWILIO_"+next+"SHARED_KEY_ID", "TWILIO_"+next+"SHARED_KEY_SECRET"
		if (os.Getenv(id) == "") != (os.Getenv(secret) == "") {
			return nil, fmt.Errorf("trusthub: %s and %s belong together: set both", id, secret)
		}
		keys = append(keys, webhook.NamedKey{Key: webhook.SharedKey(os.Getenv(id), os.Getenv(secret)), Name: secret})
		for _, name := range []string{token, id, secret} {
			if err := env.Check(name, os.Getenv(name)); err != nil {
				return nil, err
			}
		}
	}
	used := keys[:0]
	for _, key := range keys {
		if !key.IsZero() {
			used = append(used, key)
		}
	}
	if len(used) == 0 {
		return nil, errors.New("trusthub: no key: set TWILIO_AUTH_TOKEN, or TWILIO_SHARED_KEY_ID and TWILIO_SHARED_KEY_SECRET")
	}
	return used, nil
}

// explain prints whether the signature is valid, or which change would make it valid.
func explain(out io.Writer, r *http.Request, url string, named []webhook.NamedKey) error {
	var keys []webhook.Key
	for _, key := range named {
		keys = append(keys, key.Key)
	}
	message, problem := webhook.Verify(r, url, keys)
	would, found := webhook.Explain(r, url, named)
	switch {
	case problem == nil:
		fmt.Fprintf(out, "The signature is valid. Key: %s, algorithm: %s.\n", would.Key, would.Algorithm)
		fmt.Fprintln(out, "If the service answers 403, its handler has another URL: try PublicURL with the path that reaches the handler.")
		if path, ok := webhook.ParseAddress(url); ok && message.Subject(path.Path) == "" {
			fmt.Fprintln(out, "But neither the path nor the parameters name exactly one profile: the response is 400.")
		}
		return nil
	case !found:
		fmt.Fprintf(out, "The signature is not valid: %s.\nNo known change makes it valid: the key, the URL or the body is another one.\n", text.Clean(problem.Error()))
	case len(would.Changes) == 0:
		fmt.Fprintf(out, "The signature is not valid: %s.\nEverything else is right. Key: %s, algorithm: %s.\n", text.Clean(problem.Error()), would.Key, would.Algorithm)
	default:
		fmt.Fprintf(out, "The signature is not valid: %s.\nIt would be valid with the key %s and %s,\n", text.Clean(problem.Error()), would.Key, would.Algorithm)
		for _, change := range would.Changes {
			fmt.Fprintln(out, "  "+change)
		}
	}
	return failure{code: exitFailed}
}
