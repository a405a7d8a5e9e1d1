// Takes orders, and counts those of each customer.
package main

import (
	"context"
	"fmt"
	"log/slog"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

type order struct {
	Number   string `json:"number"`
	Customer string `json:"customer"`
}

func init() { jackfield.Handle(onOrder) }

func main() {}

func onOrder(ctx context.Context, event jackfield.Event[order]) (*jackfield.Output, error) {
	order := event.Data
	if order.Number == "" || order.Customer == "" {
		return nil, jackfield.Rejectedf("an order has a number and a customer")
	}
	if event.Type == "order.taken" {
		orders, err := jackfield.KV.Increment(ctx, "orders/"+order.Customer, 1)
		if err != nil {
			return nil, err
		}
		slog.Info(fmt.Sprintf("order %s of %s is number %d", order.Number, order.Customer, orders))
		return jackfield.JSON(map[string]any{"customer": order.Customer, "orders": orders})
	}
	// An order that is sent twice is one event: its number is the id.
	draft := jackfield.Draft{Type: "order.taken", ID: order.Number, Subject: order.Customer, Data: order}
	id, err := jackfield.Events.Emit(ctx, draft)
	if err != nil {
		return nil, err
	}
	return jackfield.JSON(map[string]string{"event": id})
}
