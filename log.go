package trusthub

import (
	"log/slog"
	"net/http"
	"time"
)

// log writes one record for an attempt, of nothing but what is listed here: headers, bodies and the texts of errors may
// hold secrets and personal data.
func (c *chain) log(req *http.Request, answer *http.Response, number int, took time.Duration, failure error) {
	level, message := slog.LevelDebug, "trusthub: request answered"
	if failure != nil {
		level, message = slog.LevelWarn, "trusthub: request failed"
	}
	if c.cfg.logger == nil || !c.cfg.logger.Enabled(req.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", req.Method),
		slog.String("path", req.URL.Path),
		slog.Int("attempt", number),
		slog.Duration("duration", took),
	}
	if answer != nil {
		attrs = append(attrs, slog.Int("status", answer.StatusCode), slog.String("request_id", printable(requestID(answer), 64)))
	}
	c.cfg.logger.LogAttrs(req.Context(), level, message, attrs...)
}
