package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
	"github.com/shopspring/decimal"
)

const (
	// mostLines is the most lines of an order: a batch has at most 100 statements, and one of them is the order's own.
	mostLines = 99
	// mostPieces is the most of one article in a line.
	mostPieces = 1_000_000
)

var (
	currencies = regexp.MustCompile(`^[A-Z]{3}$`)
	prices     = regexp.MustCompile(`^\d{1,9}(\.\d{1,2})?$`)
)

type order struct {
	id, customer, placedAt, currency string
	// note is nil if the customer had nothing to say.
	note  *string
	lines []line
}

type line struct {
	sku      string
	quantity int64
	price    decimal.Decimal
}

func readOrder(data any) (*order, error) {
	// Nothing but an object has fields.
	fields, _ := data.(map[string]any)
	var read order
	var err error
	if read.id, err = text(fields, "", "id"); err != nil {
		return nil, err
	}
	if read.customer, err = text(fields, "", "customer"); err != nil {
		return nil, err
	}
	if read.placedAt, err = text(fields, "", "placed_at"); err != nil {
		return nil, err
	}
	if _, err = time.Parse(time.RFC3339, read.placedAt); err != nil {
		return nil, wrong("", "placed_at", read.placedAt, `a time such as "2026-11-02T08:15:00Z"`)
	}
	if read.currency, err = text(fields, "", "currency"); err != nil {
		return nil, err
	}
	if !currencies.MatchString(read.currency) {
		return nil, wrong("", "currency", read.currency, "three capital letters")
	}
	if note := fields["note"]; note != nil {
		text, isText := note.(string)
		if !isText {
			return nil, wrong("", "note", note, "a text or null")
		}
		read.note = &text
	}
	value, err := field(fields, "", "lines")
	if err != nil {
		return nil, err
	}
	lines, _ := value.([]any)
	if len(lines) < 1 || len(lines) > mostLines {
		return nil, wrong("", "lines", value, fmt.Sprintf("a list of 1 to %d lines", mostLines))
	}
	for i, value := range lines {
		line, err := readLine(value, fmt.Sprintf("lines[%d].", i))
		if err != nil {
			return nil, err
		}
		read.lines = append(read.lines, line)
	}
	return &read, nil
}

func readLine(data any, place string) (line, error) {
	fields, _ := data.(map[string]any)
	sku, err := text(fields, place, "sku")
	if err != nil {
		return line{}, err
	}
	value, err := field(fields, place, "quantity")
	if err != nil {
		return line{}, err
	}
	quantity, isNumber := value.(float64)
	if !isNumber || quantity != math.Trunc(quantity) || quantity < 1 || quantity > mostPieces {
		return line{}, wrong(place, "quantity", value, fmt.Sprintf("a whole number from 1 to %d", mostPieces))
	}
	if value, err = field(fields, place, "price"); err != nil {
		return line{}, err
	}
	if price, isText := value.(string); isText && prices.MatchString(price) {
		// What the pattern lets through is a decimal.
		return line{sku, int64(quantity), decimal.RequireFromString(price)}, nil
	}
	return line{}, wrong(place, "price", value, `a decimal in text such as "9.95"`)
}

// text gives a text that must be there.
func text(fields map[string]any, place, name string) (string, error) {
	value, err := field(fields, place, name)
	if err != nil {
		return "", err
	}
	if text, isText := value.(string); isText && text != "" {
		return text, nil
	}
	return "", wrong(place, name, value, "a text that is not empty")
}

// field gives a value that must be there.
func field(fields map[string]any, place, name string) (any, error) {
	value, there := fields[name]
	if !there {
		return nil, jackfield.Rejectedf("`%s%s` is missing", place, name)
	}
	return value, nil
}

// wrong names the field and what is there, as JSON and not more than a line of it.
func wrong(place, name string, value any, wanted string) error {
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	shown := []rune(string(bytes.TrimSpace(written.Bytes())))
	if len(shown) > 80 {
		shown = append(shown[:80], '…')
	}
	return jackfield.Rejectedf("`%s%s` is %s, not %s", place, name, string(shown), wanted)
}
