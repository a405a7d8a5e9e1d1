package jackfield

import (
	"strings"
	"time"
)

// Event is one event: the attributes of CloudEvents 1.0, and data.
//
// T is what the handler makes of the data: a type that encoding/json reads, struct{} if the data does not matter, or
// []byte or json.RawMessage for the data as it came. No data at all reads like null, which fits pointers, maps, slices
// and any. What does not fit is rejected, for it will be the same the next time.
type Event[T any] struct {
	// ID is unique together with Source. A retry of the same event has the same ID.
	ID string
	// Source is where it comes from, such as /hooks/servicenow-to-github/announced.
	Source string
	// Type is the CloudEvents type, such as com.github.issues.
	Type string
	// Subject is what it is about, within Source.
	Subject string
	// Time is when it happened; zero if nobody said.
	Time time.Time
	// ContentType is the media type of the data.
	ContentType string
	// Schema is the CloudEvents dataschema, a URI.
	Schema string
	// Extensions are the extension attributes.
	Extensions Attributes
	// Meta is what the trigger heard besides: a webhook's method, path, query and headers, a message's headers. Never
	// credentials or signatures.
	Meta Attributes
	// Data is the data.
	Data T
}

// read makes of the host's event one with the data that the handler wants.
func read[T any](raw Event[[]byte]) (Event[T], error) {
	event := Event[T]{
		ID:          raw.ID,
		Source:      raw.Source,
		Type:        raw.Type,
		Subject:     raw.Subject,
		Time:        raw.Time,
		ContentType: raw.ContentType,
		Schema:      raw.Schema,
		Extensions:  raw.Extensions,
		Meta:        raw.Meta,
	}
	if err := decode(raw.Data, &event.Data); err != nil {
		return event, Rejectedf("the event's data is not what the handler expects: %w", err)
	}
	return event, nil
}

// Attribute is a name and a value.
type Attribute struct {
	Name, Value string
}

// Attributes are names and values. Order is kept, and a name may occur more than once.
type Attributes []Attribute

// Get gives the first value of a name, or "". Case does not matter.
func (a Attributes) Get(name string) string {
	for _, attribute := range a {
		if strings.EqualFold(attribute.Name, name) {
			return attribute.Value
		}
	}
	return ""
}

func (a Attributes) texts() []string {
	texts := make([]string, 0, 2*len(a))
	for _, attribute := range a {
		texts = append(texts, attribute.Name, attribute.Value)
	}
	return texts
}

// Values gives every value of a name. Case does not matter.
func (a Attributes) Values(name string) []string {
	var values []string
	for _, attribute := range a {
		if strings.EqualFold(attribute.Name, name) {
			values = append(values, attribute.Value)
		}
	}
	return values
}
