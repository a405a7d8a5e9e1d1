package jackfield

import (
	"context"
	"errors"
	"time"
)

// Events is new events, for every trigger that listens for them, in any integration of the environment.
//
// An event is stored before the call returns, and not taken back if the run fails afterwards. A run that is tried again
// does not emit it again.
//
// Limits: 100 events a call, 1 MiB an event, 4 MiB a call.
var Events Emitter

// Emitter emits events. See [Events].
type Emitter struct{}

// Draft is an event to be. The host adds its source, which is the integration, and its time.
type Draft struct {
	// ID of the event; the host makes one if it is "". An ID that the integration has used in the last seven days is
	// accepted and ignored.
	ID string
	// Type, such as order.paid. Types that begin with jackfield. are the host's own.
	Type string
	// Subject is what the event is about, such as orders/7.
	Subject string
	// ContentType is the media type of the data; application/json if it is "" and Data is not bytes.
	ContentType string
	// Schema is the CloudEvents dataschema, a URI.
	Schema string
	// Extensions are extension attributes; their names are of lower-case letters and digits.
	Extensions Attributes
	// Data is the data: []byte and json.RawMessage as they are, anything else as JSON; none if it is nil.
	Data any
	// After has the event delivered after this time (in whole seconds, never sooner), at most a year.
	After time.Duration
}

// Emit emits an event. Returns its ID.
//
// It fails with [AccessDenied] if the manifest does not grant the event's type, with [Invalid] if it cannot be emitted
// as it is or the chain of events is too deep, with [Quota] if a listener has too many events waiting.
func (Emitter) Emit(ctx context.Context, draft Draft) (string, error) {
	ids, err := Events.EmitAll(ctx, draft)
	if err != nil {
		return "", err
	}
	if len(ids) == 0 {
		return "", errNoID
	}
	return ids[0], nil
}

// A host that keeps less than the contract says.
var errNoID = errors.New("the host accepted an event without giving its id")

// EmitAll emits up to 100 events, all or none. Returns their IDs, in their order.
func (Emitter) EmitAll(ctx context.Context, drafts ...Draft) ([]string, error) {
	ready := make([]draft, len(drafts))
	for i, wanted := range drafts {
		ready[i] = draft{Draft: wanted, delaySeconds: seconds(wanted.After)}
		if wanted.Data == nil {
			continue
		}
		data, problem := encode("the data", wanted.Data)
		if problem != nil {
			return nil, problem
		}
		ready[i].data = data
		if _, bytes := wanted.Data.([]byte); !bytes && wanted.ContentType == "" {
			ready[i].ContentType = "application/json"
		}
	}
	for _, draft := range drafts {
		texts := []string{draft.ID, draft.Type, draft.Subject, draft.ContentType, draft.Schema}
		if refused := textual(append(texts, draft.Extensions.texts()...)...); refused != nil {
			return nil, refused.error("")
		}
	}
	if err := ended(ctx); err != nil {
		return nil, err
	}
	ids, refused := hostEmit(ready)
	if refused != nil {
		return nil, refused.error("")
	}
	return ids, nil
}

// draft is what the host is asked.
type draft struct {
	Draft
	data         []byte
	delaySeconds uint32
}
