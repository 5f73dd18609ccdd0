package apikey

import (
	"context"
	"log/slog"
)

// NewSlogLog returns a [LogSink] that writes each entry to logger: a refusal and a
// gap as a warning, a failure as an error, all else as information. Fields that are
// empty are left out. What the logger's handler cannot write is lost, since a
// logger does not say so.
func NewSlogLog(logger *slog.Logger) LogSink { return slogLog{logger} }

type slogLog struct{ logger *slog.Logger }

// WriteLog implements [LogSink].
func (l slogLog) WriteLog(ctx context.Context, entries []LogEntry) error {
	for i := range entries {
		e := &entries[i]
		level := slog.LevelInfo
		switch e.Outcome {
		case OutcomeDenied, OutcomeGap:
			level = slog.LevelWarn
		case OutcomeError:
			level = slog.LevelError
		}
		if l.logger.Enabled(ctx, level) {
			l.logger.LogAttrs(ctx, level, "access", e.attrs()...)
		}
	}
	return nil
}

// attrs returns what the entry holds, without what is empty.
func (e *LogEntry) attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("id", e.ID), slog.Time("at", e.Time), slog.String("outcome", string(e.Outcome)),
	}
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	number := func(name string, value int64) {
		if value != 0 {
			attrs = append(attrs, slog.Int64(name, value))
		}
	}
	text("requestId", e.RequestID)
	text("keyId", e.KeyID)
	text("reason", e.Reason)
	text("fingerprint", e.Fingerprint)
	text("method", e.Method)
	text("path", e.Path)
	text("route", e.Route)
	text("query", e.Query)
	text("permission", e.Permission)
	number("status", int64(e.Status))
	number("requestBytes", e.RequestBytes)
	number("responseBytes", e.ResponseBytes)
	number("durationMicros", e.Duration.Microseconds())
	text("client", e.Client)
	body := func(name string, b *LogBody) {
		text(name+"Body", b.Text)
		text(name+"Type", b.Type)
		text(name+"Omitted", b.Omitted)
		if b.Truncated {
			attrs = append(attrs, slog.Bool(name+"Truncated", true))
		}
	}
	body("request", &e.Request)
	body("response", &e.Response)
	text("actor", e.Actor)
	text("action", string(e.Action))
	text("detail", e.Detail)
	number("lost", e.Lost)
	return attrs
}
