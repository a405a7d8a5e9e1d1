// Writes the orders of a Kafka topic into PostgreSQL: each order once and with all its lines, or not at all.
//
// An order that is wrong is rejected, by the name of the field and its value: it becomes a dead letter, and the others
// go on.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	jackfield "github.com/jackfield/jackfield/sdk/go"
	"github.com/shopspring/decimal"
)

const insertOrder = "insert into orders (id, customer, placed_at, currency, note, total, record) " +
	"values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing"

// insertLine writes only if the order came with the same record: a second order of a known id must not add lines to the
// first.
const insertLine = "insert into order_lines (order_id, position, sku, quantity, price) " +
	"select id, $2, $3, $4, $5 from orders where id = $1 and record = $6 on conflict do nothing"

// written is what a run answers.
type written struct {
	Order   string `json:"order"`
	Lines   int    `json:"lines"`
	Total   string `json:"total"`
	Written bool   `json:"written"`
}

func init() { jackfield.Handle(onOrder) }

func main() {}

func onOrder(ctx context.Context, event jackfield.Event[any]) (*jackfield.Output, error) {
	order, err := readOrder(event.Data)
	if err != nil {
		return nil, err
	}
	var total decimal.Decimal
	for _, line := range order.lines {
		total = total.Add(line.price.Mul(decimal.NewFromInt(line.quantity)))
	}
	// Cluster, topic, partition and offset.
	record := event.Source + "/" + event.ID
	sum := total.StringFixed(2)
	batch := jackfield.SQL.Batch("warehouse").Execute(insertOrder,
		order.id, order.customer, order.placedAt, order.currency, order.note, sum, record)
	for i, line := range order.lines {
		batch.Execute(insertLine, order.id, i+1, line.sku, line.quantity, line.price, record)
	}
	changes, err := batch.Commit(ctx)
	if err != nil {
		return nil, refused(order.id, err)
	}
	answer := written{Order: order.id, Lines: len(order.lines), Total: sum, Written: changes[0].Rows == 1}
	if answer.Written {
		slog.Info(fmt.Sprintf("order %s is written", order.id), "lines", answer.Lines, "total", sum)
	} else {
		slog.Info(fmt.Sprintf("order %s is there already", order.id))
	}
	return jackfield.JSON(answer)
}

// refused makes of what a table does not take (SQLSTATE classes 22 and 23) a rejection: it is the order's fault, and
// will be the next time. All else may pass, or is ours to put right.
func refused(id string, err error) error {
	var failed *jackfield.Error
	if errors.As(err, &failed) && (strings.HasPrefix(failed.Code(), "22") || strings.HasPrefix(failed.Code(), "23")) {
		return jackfield.Rejectedf("the database does not take order %s: %w", id, err)
	}
	return err
}
