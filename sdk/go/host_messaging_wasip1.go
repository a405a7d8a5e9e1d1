package jackfield

import (
	messaging "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_messaging"
)

func hostPublish(connection string, messages []message) *refusal {
	lowered := make([]messaging.Message, len(messages))
	for i, message := range messages {
		lowered[i] = lowerMessage(message)
	}
	result := messaging.Publish(connection, lowered)
	if result.IsErr() {
		return refusedMessage(result.Err())
	}
	return nil
}

func hostRequest(connection string, asked message, timeoutMs uint32) (*Reply, *refusal) {
	result := messaging.Request(connection, lowerMessage(asked), timeoutMs)
	if result.IsErr() {
		return nil, refusedMessage(result.Err())
	}
	reply := result.Ok()
	return &Reply{
		Topic:       reply.Topic,
		Key:         reply.Key.Some(),
		ContentType: reply.ContentType.Some(),
		Headers:     attributesOf(reply.Headers),
		Data:        reply.Data,
	}, nil
}

func lowerMessage(m message) messaging.Message {
	return messaging.Message{
		Topic:       m.Topic,
		Key:         option(m.Key),
		ContentType: option(m.ContentType),
		Headers:     pairsOf(m.Headers),
		Data:        m.data,
	}
}

func refusedMessage(refused messaging.Error) *refusal {
	switch refused.Tag() {
	case messaging.ErrorAccessDenied:
		return &refusal{kind: AccessDenied, text: refused.AccessDenied()}
	case messaging.ErrorRefused:
		return &refusal{kind: Refused, text: refused.Refused()}
	case messaging.ErrorUnavailable:
		return &refusal{kind: Unavailable, text: refused.Unavailable()}
	case messaging.ErrorTimeout:
		return &refusal{kind: Timeout, text: refused.Timeout()}
	default:
		return &refusal{kind: TooLarge, text: refused.TooLarge()}
	}
}
