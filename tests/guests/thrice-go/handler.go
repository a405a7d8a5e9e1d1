// Reserves, charges and sends what was ordered: three calls, each with the answer of the one before.
package main

import (
	"context"
	"log/slog"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

func init() { jackfield.Handle(onOrder) }

func main() {}

func onOrder(ctx context.Context, event jackfield.Event[struct {
	Order string `json:"order"`
}]) (*jackfield.Output, error) {
	order := event.Data.Order
	reservation, err := number(ctx, "reservation", "stock", "/reservations", map[string]string{"order": order})
	if err != nil {
		return nil, err
	}
	charge, err := number(ctx, "charge", "bank", "/charges", map[string]string{"reservation": reservation})
	if err != nil {
		return nil, err
	}
	parcel, err := number(ctx, "parcel", "parcels", "/parcels", map[string]string{"order": order, "charge": charge})
	if err != nil {
		return nil, err
	}
	return jackfield.JSON(map[string]string{"reservation": reservation, "charge": charge, "parcel": parcel})
}

// number gives the number that the other side gives.
func number(ctx context.Context, what, connection, path string, body any) (string, error) {
	response, err := jackfield.HTTP.Post(connection, path).JSON(body).Send(ctx)
	if err != nil {
		return "", err
	}
	if !response.IsSuccess() {
		return "", jackfield.Errorf("%s: %d", what, response.Status)
	}
	var answer struct{ Number, ID *string }
	if err := response.JSON(&answer); err != nil {
		return "", err
	}
	// The bug of version 1: it takes for granted that every side calls it a number. Version 2 knows better.
	given := answer.Number
	if given == nil && jackfield.Run().Version > 1 {
		given = answer.ID
	}
	slog.Info(what + " " + *given)
	return *given, nil
}
