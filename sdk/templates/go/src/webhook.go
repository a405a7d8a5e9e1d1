// Counts how often it has heard of an item.
package main

import (
	"context"
	"fmt"
	"log/slog"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

type item struct {
	ID *int64 `json:"id"`
}

func init() { jackfield.Handle(onItem) }

func main() {}

func onItem(ctx context.Context, event jackfield.Event[item]) (*jackfield.Output, error) {
	// A field that is missing reads as its zero value: only a pointer shows the difference.
	if event.Data.ID == nil {
		return nil, jackfield.Rejectedf("`id` is missing")
	}
	id := *event.Data.ID
	times, err := jackfield.KV.Increment(ctx, fmt.Sprintf("seen/%d", id), 1)
	if err != nil {
		return nil, err
	}
	slog.Info(fmt.Sprintf("item %d", id), "times", times)
	return jackfield.JSON(map[string]int64{"id": id, "times": times})
}
