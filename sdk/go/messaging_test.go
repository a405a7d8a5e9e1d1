package jackfield

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestAMessageSaysWhatItIsTold(t *testing.T) {
	var asked []message
	fake(t).publish = func(connection string, messages []message) *refusal {
		equal(t, connection, "events")
		asked = messages
		return nil
	}
	err := Messaging.Publish(t.Context(), "events", Message{Topic: "orders.paid", Key: "7", Data: []int{1, 2}})
	equal(t, err, nil)
	equal(t, asked[0].Topic+asked[0].Key+asked[0].ContentType, "orders.paid7application/json")
	equal(t, string(asked[0].data), "[1,2]")
	err = Messaging.PublishAll(t.Context(), "events",
		Message{Topic: "a", Data: []byte{0}}, Message{Topic: "b"}, Message{Topic: "c", Data: "ü", ContentType: "x"})
	equal(t, err, nil)
	equal(t, asked[0].ContentType, "")
	equal(t, len(asked[1].data), 0)
	equal(t, asked[2].ContentType, "x")
}

func TestAReplyIsReadAsWhatItIs(t *testing.T) {
	var limit uint32
	fake(t).request = func(_ string, _ message, timeoutMs uint32) (*Reply, *refusal) {
		limit = timeoutMs
		return &Reply{Topic: "_inbox", Headers: Attributes{{"Tenant", "acme"}}, Data: []byte("[1]")}, nil
	}
	reply, err := Messaging.Request(new(runContext), "events", Message{Topic: "ask"})
	equal(t, err, nil)
	equal(t, limit, 10_000)
	equal(t, reply.Headers.Get("tenant"), "acme")
	var numbers []int
	equal(t, reply.JSON(&numbers), nil)
	equal(t, numbers[0], 1)
	equal(t, reply.Text(), "[1]")
	equal(t, told(t, reply.JSON(new(string))).name, "answer")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = Messaging.Request(ctx, "events", Message{Topic: "ask"})
	equal(t, err, nil)
	equal(t, limit > 0 && limit <= 300, true)
}

func TestWhatCannotBePublishedIsToldBefore(t *testing.T) {
	fake(t).publish = func(string, []message) *refusal { panic("it was asked") }
	for _, message := range []Message{{Topic: "a", Data: make(chan int)}, {Topic: "a\xff"}} {
		equal(t, errors.Is(Messaging.Publish(t.Context(), "events", message), Invalid), true)
	}
	for _, kind := range []Kind{AccessDenied, Refused, Unavailable, Timeout, TooLarge} {
		fake(t).publish = func(string, []message) *refusal { return &refusal{kind: kind, text: "x"} }
		err := Messaging.Publish(t.Context(), "events", Message{Topic: "a"})
		equal(t, errors.Is(err, kind), true)
		equal(t, failureOf(err).retryable, kind.retryable())
	}
}
