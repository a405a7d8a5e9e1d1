// Counts the times that it was woken.
package main

import (
	"context"
	"fmt"
	"log/slog"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

type tick struct {
	// The instant that this run is for, RFC 3339.
	Scheduled string `json:"scheduled"`
}

func init() { jackfield.Handle(onTick) }

func main() {}

func onTick(ctx context.Context, event jackfield.Event[tick]) (*jackfield.Output, error) {
	count, err := jackfield.KV.Increment(ctx, "ticks", 1)
	if err != nil {
		return nil, err
	}
	slog.Info(fmt.Sprintf("tick %d", count), "scheduled", event.Data.Scheduled)
	return jackfield.JSON(map[string]int64{"ticks": count})
}
