package jackfield

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

type featureRequest struct {
	Number string `json:"number"`
	Votes  struct {
		Up int `json:"up"`
	} `json:"votes"`
}

func TestJSONBecomesTheHandlersType(t *testing.T) {
	event, err := read[featureRequest](Event[[]byte]{ID: "1", Data: []byte(`{"number":"FR-1042","more":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, event.Data.Number, "FR-1042")
	equal(t, event.ID, "1")
}

func TestDataThatDoesNotFitIsRejectedWithThePlace(t *testing.T) {
	for data, part := range map[string]string{
		"":                     "there is none",
		" null ":               "it is null",
		"no json":              "it is not JSON: invalid character 'o' in literal null (expecting 'u'), at byte 2",
		`{"number":1}`:         "`number` is a JSON number, not a Go string",
		`{"votes":{"up":"x"}}`: "`votes.up` is a JSON string, not a Go int",
		"[1]":                  "it is a JSON array, not a Go jackfield.featureRequest",
		"{} {}":                "after top-level value",
	} {
		_, err := read[featureRequest](Event[[]byte]{Data: []byte(data)})
		if !errors.Is(err, Rejected) || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func TestNobodyHasToReadTheData(t *testing.T) {
	for _, data := range []string{"", "{}", "\x1f\x8b"} {
		raw := Event[[]byte]{Data: []byte(data)}
		if _, err := read[struct{}](raw); err != nil {
			t.Error(err)
		}
		asItCame, err := read[[]byte](raw)
		equal(t, string(asItCame.Data), data)
		equal(t, err, nil)
		message, err := read[json.RawMessage](raw)
		equal(t, string(message.Data), data)
		equal(t, err, nil)
	}
}

func TestNoDataReadsLikeNull(t *testing.T) {
	pointer, err := read[*featureRequest](Event[[]byte]{})
	equal(t, pointer.Data, nil)
	equal(t, err, nil)
	anything, err := read[any](Event[[]byte]{})
	equal(t, anything.Data, nil)
	equal(t, err, nil)
	if _, err := read[int](Event[[]byte]{}); err == nil {
		t.Error("a number of nothing")
	}
}

func TestNamesHaveNoCaseAndValuesAnOrder(t *testing.T) {
	meta := Attributes{{"Method", "POST"}, {"x", "1"}, {"X", "2"}}
	equal(t, meta.Get("method"), "POST")
	equal(t, strings.Join(meta.Values("x"), ","), "1,2")
	equal(t, meta.Get("y"), "")
}
