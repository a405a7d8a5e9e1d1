package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

// order is a row.
type order struct {
	ID     int64
	Name   *string
	Amount string
	Paid   bool
	Ratio  float64
	Raw    []byte
	Items  []string
	Large  int64
}

func sqlRows(ctx context.Context, _ event) (any, error) {
	found, err := jackfield.SQL.Query(ctx, "ledger", "select * from orders where n = any($1)",
		7, true, 1.5, "Zoë \u2603", []byte{0, 255}, nil, 9_007_199_254_740_993, math.MinInt64,
		map[string]any{"a": []any{1, nil}})
	if err != nil {
		return nil, err
	}
	var orders []order
	if err := found.Rows(&orders); err != nil {
		return nil, err
	}
	rows := make([]any, len(orders))
	for i, order := range orders {
		var raw any
		if order.Raw != nil {
			raw = numbers(order.Raw)
		}
		large := strconv.FormatInt(order.Large, 10)
		rows[i] = []any{order.ID, order.Name, order.Amount, order.Paid, order.Ratio, raw, order.Items, large}
	}
	columns := make([][]string, len(found.Columns))
	for i, column := range found.Columns {
		columns[i] = []string{column.Name, column.Type}
	}
	counted, err := jackfield.SQL.Query(ctx, "ledger", "select count(*) from orders")
	if err != nil {
		return nil, err
	}
	var count int
	if _, err := counted.First(&count); err != nil {
		return nil, err
	}
	none, err := jackfield.SQL.Query(ctx, "ledger", "select id from orders where false")
	if err != nil {
		return nil, err
	}
	return map[string]any{"rows": rows, "columns": columns, "count": count, "none": len(none.Values)}, nil
}

func sqlChanges(ctx context.Context, _ event) (any, error) {
	changed, err := jackfield.SQL.Execute(ctx, "ledger", "update orders set paid = $1", true)
	inserted, err2 := jackfield.SQL.Execute(ctx, "ledger", "insert into orders (name) values ($1)", "Zoë")
	both, err3 := jackfield.SQL.Batch("ledger").
		Execute("insert into sales (n) values ($1)", 1).
		ExecuteExactly(1, "update stock set n = n - 1").
		Commit(ctx)
	if err := first(err, err2, err3); err != nil {
		return nil, err
	}
	rows := []uint32{}
	for _, change := range both {
		rows = append(rows, change.Rows)
	}
	ids := []string{strconv.FormatInt(changed.LastID, 10), strconv.FormatInt(inserted.LastID, 10)}
	return []any{[]uint32{changed.Rows, inserted.Rows}, ids, rows}, nil
}

func sqlRefused(ctx context.Context, _ event) (any, error) {
	answers, codes := []any{}, []string{}
	for number := range 7 {
		_, err := jackfield.SQL.Execute(ctx, "ledger", "update orders set n = $1", number)
		var known *jackfield.Error
		if !errors.As(err, &known) {
			return nil, errors.New("it was not refused")
		}
		codes = append(codes, known.Code())
		answers = append(answers, []any{told(err), known.IsRetryable()})
	}
	return map[string]any{
		"answers":  answers,
		"codes":    codes,
		"conflict": failed(jackfield.SQL.Batch("ledger").ExecuteExactly(1, "update stock set n = 0").Commit(ctx)),
		"denied":   failed(jackfield.SQL.Query(ctx, "other", "select 1")),
	}, nil
}

func messaging(ctx context.Context, _ event) (any, error) {
	err := jackfield.Messaging.Publish(ctx, "broker", jackfield.Message{
		Topic:   "orders.paid",
		Key:     "7",
		Headers: jackfield.Attributes{{Name: "tenant", Value: "acme"}},
		Data:    map[string]int{"n": 12},
	})
	err2 := jackfield.Messaging.PublishAll(ctx, "broker",
		jackfield.Message{Topic: "orders.empty"},
		jackfield.Message{Topic: "orders.csv", ContentType: "text/csv", Data: []byte("a,ü")},
	)
	if err := first(err, err2); err != nil {
		return nil, err
	}
	reply, err := jackfield.Messaging.Request(ctx, "broker", jackfield.Message{Topic: "orders.ask", Data: 1})
	if err != nil {
		return nil, err
	}
	var data any
	if err := reply.JSON(&data); err != nil {
		return nil, err
	}
	return []any{reply.Topic, orNull(reply.ContentType), orNull(reply.Headers.Get("x-by")), data}, nil
}

func messagingRefused(ctx context.Context, _ event) (any, error) {
	publish := func(topic string) any {
		return told(jackfield.Messaging.Publish(ctx, "broker", jackfield.Message{Topic: topic, Data: 1}))
	}
	answers := []any{}
	for range 4 {
		answers = append(answers, publish("orders.paid"))
	}
	ask := jackfield.Message{Topic: "orders.ask", Data: 1}
	answers = append(answers, failed(jackfield.Messaging.Request(ctx, "broker", ask)))
	return append(answers, publish("secret")), nil
}

func blob(ctx context.Context, _ event) (any, error) {
	const name = "2026/ü.pdf"
	etag, err := jackfield.Blob.Put(ctx, "files", jackfield.Object{
		Name:        name,
		ContentType: "application/pdf",
		Metadata:    jackfield.Attributes{{Name: "order", Value: "7"}},
		Data:        []byte{0, 255},
	})
	known, err2 := jackfield.Blob.Stat(ctx, "files", name)
	whole, err3 := jackfield.Blob.Get(ctx, "files", name)
	part, err4 := jackfield.Blob.GetRange(ctx, "files", name, 1, 10)
	noInfo, err5 := jackfield.Blob.Stat(ctx, "files", "2026/no")
	noData, err6 := jackfield.Blob.Get(ctx, "files", "2026/no")
	if err := first(err, err2, err3, err4, err5, err6); err != nil {
		return nil, err
	}
	if known == nil {
		return nil, errors.New("it is not there")
	}
	listed := []string{}
	for info, err := range jackfield.Blob.List(ctx, "files", "2026/") {
		if err != nil {
			return nil, err
		}
		listed = append(listed, info.Name)
	}
	if err := jackfield.Blob.Remove(ctx, "files", name); err != nil {
		return nil, err
	}
	size := strconv.FormatInt(known.Size, 10)
	return map[string]any{
		"etag":    etag,
		"known":   []any{size, orNull(known.ContentType), orNull(known.Metadata.Get("order")), known.ETag},
		"whole":   numbers(whole),
		"part":    numbers(part),
		"missing": []bool{noInfo != nil, noData != nil},
		"listed":  listed,
	}, nil
}

func blobRefused(ctx context.Context, _ event) (any, error) {
	return []any{
		failed(jackfield.Blob.Put(ctx, "files", jackfield.Object{Name: "2026/a", Data: []int{1}})),
		failed(jackfield.Blob.Get(ctx, "files", "2026/a")),
		told(jackfield.Blob.Remove(ctx, "files", "2026/a")),
		failed(jackfield.Blob.Get(ctx, "files", "1999/a")),
	}, nil
}

func email(ctx context.Context, _ event) (any, error) {
	short, err := jackfield.Email.Send(ctx, "mail",
		jackfield.Mail{Subject: "Hi", To: []string{"a@example.com"}, Text: "text"})
	whole, err2 := jackfield.Email.Send(ctx, "mail", jackfield.Mail{
		Subject: "Grüße \u2603",
		Sender:  "Shop <shop@example.com>",
		To:      []string{"a@example.com", "b@example.com"},
		CC:      []string{"c@example.com"},
		BCC:     []string{"d@example.com"},
		ReplyTo: []string{"e@example.com"},
		Text:    "text",
		HTML:    `<img src="cid:logo">`,
		Headers: jackfield.Attributes{{Name: "x-order", Value: "7"}},
		Attachments: []jackfield.Attachment{
			{Name: "a.txt", ContentType: "text/plain", Data: []byte("Zoë")},
			{Name: "logo.png", ContentType: "image/png", Data: []byte{0, 255}, ContentID: "logo"},
		},
	})
	return []string{short, whole}, first(err, err2)
}

func emailRefused(ctx context.Context, _ event) (any, error) {
	send := func(to string) any {
		return failed(jackfield.Email.Send(ctx, "mail", jackfield.Mail{Subject: "Hi", To: []string{to}, Text: "text"}))
	}
	answers := []any{}
	for range 3 {
		answers = append(answers, send("a@example.com"))
	}
	return append(answers, send("a@elsewhere.example")), nil
}

// numbers are bytes as JSON has them: a list.
func numbers(data []byte) json.RawMessage {
	list := []byte{'['}
	for i, number := range data {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, int64(number), 10)
	}
	return append(list, ']')
}
