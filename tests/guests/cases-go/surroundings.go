package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

func config(context.Context, event) (any, error) {
	settings := jackfield.Config
	greeting, _, err := settings.Get("greeting")
	required, err2 := settings.Require("greeting")
	unset, _, err3 := settings.Get("unset")
	text, _, err4 := settings.Get("count")
	var count int
	_, err5 := settings.JSON("count", &count)
	var list, noList []string
	_, err6 := settings.JSON("list", &list)
	_, err7 := settings.JSON("unset", &noList)
	all, err8 := settings.All()
	if err := first(err, err2, err3, err4, err5, err6, err7, err8); err != nil {
		return nil, err
	}
	pairs := [][]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, []string{name, all[name]})
	}
	_, _, denied := settings.Get("password")
	return map[string]any{
		"greeting": greeting,
		"required": required,
		"unset":    orNull(unset),
		"count":    []any{text, count},
		"list":     list,
		"no list":  noList,
		"all":      pairs,
		"denied":   told(denied),
	}, nil
}

func configMissing(context.Context, event) (any, error) {
	return jackfield.Config.Require("unset")
}

func configUnfit(context.Context, event) (any, error) {
	var number int
	_, err := jackfield.Config.JSON("greeting", &number)
	return number, err
}

func events(ctx context.Context, _ event) (any, error) {
	full, err := jackfield.Events.Emit(ctx, jackfield.Draft{
		ID:         "order-7",
		Type:       "heard.full",
		Subject:    "orders/7",
		Schema:     "https://example.com/order.json",
		Extensions: jackfield.Attributes{{Name: "tenant", Value: "acme"}, {Name: "priority", Value: "3"}},
		Data:       map[string]string{"text": "Zoë"},
	})
	// The same id again: accepted, and ignored.
	again, err2 := jackfield.Events.Emit(ctx, jackfield.Draft{ID: "order-7", Type: "heard.full", Data: map[string]bool{"other": true}})
	many, err3 := jackfield.Events.EmitAll(ctx,
		jackfield.Draft{ID: "b", Type: "heard.bytes", ContentType: "application/octet-stream", Data: []byte{0, 255}},
		jackfield.Draft{ID: "e", Type: "heard.empty"},
		jackfield.Draft{ID: "j", Type: "heard.json", ContentType: "application/vnd.acme+json", Data: []int{1}},
	)
	var null *int
	made, err4 := jackfield.Events.Emit(ctx, jackfield.Draft{Type: "heard.made", Data: null})
	none, err5 := jackfield.Events.EmitAll(ctx)
	if none == nil {
		none = []string{}
	}
	return []any{full, again, many, made != "", none}, first(err, err2, err3, err4, err5)
}

func eventsLater(ctx context.Context, _ event) (any, error) {
	return jackfield.Events.EmitAll(ctx,
		jackfield.Draft{ID: "s", Type: "heard.soon", After: 300 * time.Millisecond},
		jackfield.Draft{ID: "l", Type: "heard.late", After: time.Hour},
	)
}

func eventsRefused(ctx context.Context, _ event) (any, error) {
	many := make([]jackfield.Draft, 101)
	for i := range many {
		many[i].Type = "heard.x"
	}
	answered := []any{}
	for _, drafts := range [][]jackfield.Draft{
		{{Type: "other.type"}},
		{{Type: "jackfield.cron"}},
		{{Type: "heard.x", Extensions: jackfield.Attributes{{Name: "Bad-Name", Value: "1"}}}},
		{{Type: "heard.x", Data: make([]byte, 1<<20)}},
		many,
		{{Type: "heard.x", After: 400 * 24 * time.Hour}},
	} {
		answered = append(answered, failed(jackfield.Events.EmitAll(ctx, drafts...)))
	}
	return answered, nil
}

func eventsQuota(ctx context.Context, _ event) (any, error) {
	var drafts []jackfield.Draft
	for number := range 100 {
		drafts = append(drafts, jackfield.Draft{ID: fmt.Sprintf("many-%d", number), Type: "heard.many", After: time.Hour})
	}
	ids, err := jackfield.Events.EmitAll(ctx, drafts...)
	return len(ids), err
}

func logLevels(ctx context.Context, _ event) (any, error) {
	slog.Log(ctx, jackfield.LevelTrace, "step by step")
	slog.Debug("for whoever looks", "number", 7)
	slog.Info("worth knowing \u2603", "who", "Zoë", "flag", true)
	slog.Warn("not as it should be")
	slog.Error("failed\nin two lines")
	return "written", nil
}

// logOwn uses a logger of the project's own.
func logOwn(ctx context.Context, _ event) (any, error) {
	logger := slog.New(jackfield.LogHandler{}).With("logger", "own")
	logger.Log(ctx, jackfield.LevelTrace, "own trace")
	logger.Debug("own debug")
	logger.Info(fmt.Sprintf("own info %d", 7))
	logger.Warn("own warn")
	logger.Error("own error")
	return "written", nil
}

func logPrint(context.Context, event) (any, error) {
	fmt.Println("to standard output")
	fmt.Fprintln(os.Stderr, "to standard error")
	fmt.Print("without an end")
	return "printed", nil
}

func logLimits(context.Context, event) (any, error) {
	slog.Info(strings.Repeat("x", 70_000))
	for number := range 10_050 {
		slog.Debug(fmt.Sprintf("line %d", number))
	}
	return "written", nil
}

func run(ctx context.Context, _ event) (any, error) {
	run := jackfield.Run()
	// The same key for every attempt: a call that differs from the recorded one would be told.
	if _, err := jackfield.HTTP.Post("outside", "/keyed").Header("x-key", run.IdempotencyKey).Send(ctx); err != nil {
		return nil, err
	}
	if run.Attempt == 1 {
		return nil, jackfield.Errorf("the first attempt ends here")
	}
	left := jackfield.Remaining()
	return map[string]any{
		"id":              run.ID,
		"attempt":         run.Attempt,
		"idempotency key": run.IdempotencyKey != "",
		"trigger":         run.Trigger,
		"integration":     run.Integration,
		"environment":     run.Environment,
		"component":       run.Component,
		"version":         run.Version,
		"deadline":        run.Deadline,
		"traceparent":     len(strings.Split(run.Traceparent, "-")),
		"time is left":    left > 0 && left <= 20*time.Second,
	}, nil
}
