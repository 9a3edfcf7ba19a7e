package trusthub

import "log/slog"

// log writes one record for an attempt that is over, of nothing but what is listed here: headers, bodies and the texts of
// errors may hold secrets and personal data.
func (c *call) log() {
	level, message := slog.LevelDebug, "trusthub: request answered"
	if c.attempt.Reason != "" {
		level, message = slog.LevelWarn, "trusthub: request failed"
	}
	logger := c.chain.cfg.logger
	if logger == nil || !logger.Enabled(c.within, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", c.req.Method),
		slog.String("path", c.req.URL.Path),
		slog.Int("attempt", c.attempt.Number),
		slog.Duration("duration", c.attempt.Duration),
	}
	if c.attempt.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", c.attempt.StatusCode), slog.String("request_id", c.attempt.RequestID))
	}
	if c.attempt.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(c.attempt.Reason)))
	}
	if c.attempt.RetryIn > 0 {
		attrs = append(attrs, slog.Duration("retry_in", c.attempt.RetryIn))
	}
	logger.LogAttrs(c.within, level, message, attrs...)
}
