package jackfield

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Messaging is messages to broker connections of the manifest: NATS, Kafka, AMQP and so on. Messages are received by
// triggers.
//
// A message that was published is not published again by a run that is tried again.
var Messaging Publisher

// Publisher publishes messages. See [Messaging].
type Publisher struct{}

// Message is a message to be.
type Message struct {
	// Topic, subject or routing key, in the broker's own spelling.
	Topic string
	// Key keeps messages with equal keys in order, where the broker can do so; none if it is "".
	Key string
	// ContentType is the media type of the data; application/json if it is "" and Data is not bytes.
	ContentType string
	Headers     Attributes
	// Data is the data: []byte and json.RawMessage as they are, anything else as JSON; none if it is nil.
	Data any
}

// Publish publishes a message and waits until the broker has confirmed it.
//
// It fails with [AccessDenied] if the manifest does not grant its topic, with [Refused] if the broker does not know the
// topic or refused the message. After [Unavailable] and [Timeout] it may have been published.
func (Publisher) Publish(ctx context.Context, connection string, message Message) error {
	return Messaging.PublishAll(ctx, connection, message)
}

// PublishAll publishes up to 100 messages in order and waits until the broker has confirmed them. After an error the
// first ones may have been published.
func (Publisher) PublishAll(ctx context.Context, connection string, messages ...Message) error {
	lowered, err := messagesOf(ctx, connection, messages)
	if err != nil {
		return err
	}
	if refused := hostPublish(connection, lowered); refused != nil {
		return refused.error("")
	}
	return nil
}

// Request publishes a message and waits for the reply to it: as long as ctx lasts, if it has a limit of its own, or 10
// seconds. It fails with [Timeout] if nobody replied in time.
func (Publisher) Request(ctx context.Context, connection string, message Message) (*Reply, error) {
	const usual = 10 * time.Second
	lowered, err := messagesOf(ctx, connection, []Message{message})
	if err != nil {
		return nil, err
	}
	limit, err := timeLimit(ctx)
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = usual
	}
	reply, refused := hostRequest(connection, lowered[0], milliseconds(limit))
	if refused != nil {
		return nil, refused.error("")
	}
	return reply, nil
}

// Reply is a reply to a message.
type Reply struct {
	// Topic is the one that it came on.
	Topic       string
	Key         string
	ContentType string
	Headers     Attributes
	Data        []byte
}

// JSON reads the data into what into points to, by the rules of encoding/json.
func (r *Reply) JSON(into any) error {
	if err := decode(r.Data, into); err != nil {
		return newError(Other, fmt.Sprintf("the reply is not as expected: %s", err)).Named("answer")
	}
	return nil
}

// Text is the data as text; bytes that are not UTF-8 are replaced.
func (r *Reply) Text() string { return strings.ToValidUTF8(string(r.Data), "\uFFFD") }

// message is what the host is asked.
type message struct {
	Message
	data []byte
}

func messagesOf(ctx context.Context, connection string, messages []Message) ([]message, error) {
	lowered := make([]message, len(messages))
	texts := []string{connection}
	for i, wanted := range messages {
		lowered[i] = message{Message: wanted}
		if wanted.Data != nil {
			data, problem := encode("the data", wanted.Data)
			if problem != nil {
				return nil, problem
			}
			lowered[i].data = data
			if _, bytes := wanted.Data.([]byte); !bytes && wanted.ContentType == "" {
				lowered[i].ContentType = "application/json"
			}
		}
		texts = append(texts, wanted.Topic, wanted.Key, wanted.ContentType)
		texts = append(texts, wanted.Headers.texts()...)
	}
	return lowered, ready(ctx, texts...)
}
