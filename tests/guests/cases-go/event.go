package main

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

func eventAttributes(_ context.Context, event event) (any, error) {
	extensions := [][]string{}
	for _, extension := range event.Extensions {
		extensions = append(extensions, []string{extension.Name, extension.Value})
	}
	return map[string]any{
		"id":           event.ID,
		"source":       event.Source,
		"type":         event.Type,
		"subject":      event.Subject,
		"time":         event.Time,
		"content type": event.ContentType,
		"schema":       event.Schema,
		"extensions":   extensions,
		"method":       event.Meta.Get("method"),
		"own header":   event.Meta.Get("X-Own"),
		"data":         string(event.Data),
	}, nil
}

func eventData(_ context.Context, event event) (any, error) {
	sum := 0
	for _, b := range event.Data {
		sum += int(b)
	}
	var text any
	if utf8.Valid(event.Data) {
		text = string(event.Data)
	}
	return map[string]any{
		"length":       len(event.Data),
		"sum":          sum,
		"text":         text,
		"content type": orNull(event.ContentType),
		"subject":      orNull(event.Subject),
	}, nil
}

// eventNumbers keeps every digit: read into any, a number would be a float64.
func eventNumbers(_ context.Context, event event) (any, error) {
	return arguments[[]json.Number](event)
}

func output(_ context.Context, event event) (any, error) {
	wanted, err := arguments[struct{ Form string }](event)
	if err != nil {
		return nil, err
	}
	var none *jackfield.Output
	switch wanted.Form {
	case "json":
		return jackfield.JSON(map[string]string{"text": "Zoë"})
	case "json with status and headers":
		return jackfield.JSON([]int{1, 2}, jackfield.WithStatus(201), jackfield.WithHeader("x-one", "1"),
			jackfield.WithHeader("x-two", "a"), jackfield.WithHeader("x-two", "b"))
	case "text":
		return jackfield.Text("Zoë \u2603"), nil
	case "bytes":
		return jackfield.Bytes("application/octet-stream", []byte{0, 128, 255}), nil
	case "empty":
		return jackfield.Empty(204), nil
	case "none":
		return none, nil
	}
	return nil, jackfield.Rejectedf("there is no form `%s`", wanted.Form)
}
