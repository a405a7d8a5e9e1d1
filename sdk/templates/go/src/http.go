// Looks an item up in another system.
package main

import (
	"context"
	"fmt"
	"log/slog"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

type wanted struct {
	ID int64 `json:"id"`
}

type item struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func init() { jackfield.Handle(onLookUp) }

func main() {}

func onLookUp(ctx context.Context, event jackfield.Event[wanted]) (*jackfield.Output, error) {
	id := event.Data.ID
	response, err := jackfield.HTTP.Get("api", fmt.Sprintf("/items/%d", id)).Send(ctx)
	if err != nil {
		return nil, err
	}
	if response.Status == 404 {
		return nil, jackfield.Rejectedf("there is no item %d", id)
	}
	if err := response.ErrorForStatus(); err != nil {
		return nil, err
	}
	var found item
	if err := response.JSON(&found); err != nil {
		return nil, err
	}
	slog.Info(fmt.Sprintf("item %d is called %s", found.ID, found.Name))
	return jackfield.JSON(map[string]string{"name": found.Name})
}
