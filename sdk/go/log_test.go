package jackfield

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"
)

func TestALineKeepsLevelAndAttributes(t *testing.T) {
	var lines []string
	fake(t).log = func(level slog.Level, message string, attributes []Attribute) {
		lines = append(lines, fmt.Sprint(level, " ", message, " ", attributes))
	}
	log := slog.New(LogHandler{})
	check := func(wanted string) {
		t.Helper()
		if len(lines) != 1 || lines[0] != wanted {
			t.Errorf("%q, wanted %q", lines, wanted)
		}
		lines = nil
	}
	log.Info("opened", "issue", 7, "at", time.Date(2026, 11, 2, 8, 15, 0, 0, time.UTC))
	check("INFO opened [{issue 7} {at 2026-11-02T08:15:00Z}]")
	log.Log(t.Context(), LevelTrace, "step")
	check("DEBUG-4 step []")
	log.Error("failed", "error", errors.New("gone"), "peer", netip.MustParseAddr("::1"))
	check("ERROR failed [{error gone} {peer ::1}]")
	log.With("a", 1).WithGroup("request").With("method", "GET").Warn("x", slog.Group("size", "in", 1, "out", 2))
	check("WARN x [{a 1} {request.method GET} {request.size.in 1} {request.size.out 2}]")
	log.Debug("x", slog.Group("", "inline", true), slog.Attr{}, "map", map[string]int{"a": 1})
	check("DEBUG x [{inline true} {map map[a:1]}]")
}

func TestLinesThatGrowFromOneDoNotMix(t *testing.T) {
	var last []Attribute
	fake(t).log = func(_ slog.Level, _ string, attributes []Attribute) { last = attributes }
	base := slog.New(LogHandler{}).With("a", 1, "b", 2, "c", 3)
	one, two := base.With("d", 1), base.With("d", 2)
	one.Info("x")
	equal(t, last[3].Value, "1")
	two.Info("x")
	equal(t, last[3].Value, "2")
	one.Info("x", "e", 1)
	equal(t, last[3].Value, "1")
}
