// Says hello to whoever the event names.
package main

import (
	"context"
	"log/slog"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

type visitor struct {
	Name string `json:"name"`
}

func init() { jackfield.Handle(greet) }

func main() {}

func greet(_ context.Context, event jackfield.Event[visitor]) (*jackfield.Output, error) {
	if event.Data.Name == "" {
		return nil, jackfield.Rejectedf("`name` is missing")
	}
	slog.Info("greeting " + event.Data.Name)
	return jackfield.JSON(map[string]string{"hello": event.Data.Name})
}
