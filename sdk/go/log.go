package jackfield

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"time"
)

// LevelTrace is below slog.LevelDebug: step by step.
const LevelTrace = slog.Level(-8)

// LogHandler gives records of log/slog to the host, which keeps them with the run. It is what slog's default logger
// has, and so what the package log writes to.
//
// Attributes of a group have the group's name before theirs: request.method.
type LogHandler struct {
	attributes []Attribute
	group      string
}

// Enabled says yes: the host drops what is below the level set for the environment.
func (LogHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes one line.
func (h LogHandler) Handle(_ context.Context, record slog.Record) error {
	attributes := h.attributes[:len(h.attributes):len(h.attributes)]
	record.Attrs(func(attribute slog.Attr) bool {
		attributes = appendAttribute(attributes, h.group, attribute)
		return true
	})
	hostLog(record.Level, record.Message, attributes)
	return nil
}

// WithAttrs adds attributes to every line.
func (h LogHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	h.attributes = h.attributes[:len(h.attributes):len(h.attributes)]
	for _, attribute := range attributes {
		h.attributes = appendAttribute(h.attributes, h.group, attribute)
	}
	return h
}

// WithGroup begins a group.
func (h LogHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.group += name + "."
	}
	return h
}

func appendAttribute(to []Attribute, group string, attribute slog.Attr) []Attribute {
	value := attribute.Value.Resolve()
	switch {
	case attribute.Equal(slog.Attr{}):
		return to
	case value.Kind() == slog.KindGroup:
		if attribute.Key != "" {
			group += attribute.Key + "."
		}
		for _, part := range value.Group() {
			to = appendAttribute(to, group, part)
		}
		return to
	}
	return append(to, Attribute{group + attribute.Key, logText(value)})
}

// logText is a value as a person reads it.
func logText(value slog.Value) string {
	switch value.Kind() {
	case slog.KindTime:
		return value.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		switch value := value.Any().(type) {
		case error:
			return value.Error()
		case []byte:
			return string(value)
		case encoding.TextMarshaler:
			if text, err := value.MarshalText(); err == nil {
				return string(text)
			}
		}
		return fmt.Sprintf("%+v", value.Any())
	}
	return value.String()
}
