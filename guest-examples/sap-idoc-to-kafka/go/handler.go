// Publishes the orders of SAP's IDoc files to Kafka: one message for each IDoc of the type ORDERS05.
//
// A file is parted into its IDocs, each of which becomes an event, and so a run of its own. An IDoc that is wrong is
// rejected, by its number, the segment and the field: it becomes a dead letter, and the others go on.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

const (
	// arrived is the type of an IDoc's event.
	arrived = "idoc.arrived"
	// remembered is how long an IDoc is known that was published.
	remembered = 90 * 24 * time.Hour
	// A call emits no more than so many events, nor more bytes than these; an event has room for its attributes.
	mostEvents   = 100
	mostBytes    = 4<<20 - 1<<16
	largestEvent = 1<<20 - 1<<12
)

// writing is how files are written, by the setting `files`.
type writing struct {
	// Codepage of a flat file, such as iso-8859-1; UTF-8 if it is "". XML says it itself.
	Codepage string `json:"codepage"`
	// Trimmed says that blanks at the end of a record may be missing.
	Trimmed bool `json:"trimmed"`
}

func init() { jackfield.Handle(onEvent) }

func main() {}

func onEvent(ctx context.Context, event jackfield.Event[[]byte]) (*jackfield.Output, error) {
	if event.Type == arrived {
		return publish(ctx, event)
	}
	return part(ctx, event)
}

// part emits an event for each IDoc of a file. What is wrong with an IDoc goes with it: the others do not wait.
func part(ctx context.Context, event jackfield.Event[[]byte]) (*jackfield.Output, error) {
	name := event.Subject
	if event.Meta.Get("reference") != "" {
		return nil, jackfield.Rejectedf("%s is too large: raise `limits.event` of the component", name)
	}
	how, err := writingOf(name)
	if err != nil {
		return nil, err
	}
	idocs, err := split(event.Data, how)
	if err != nil {
		return nil, jackfield.Rejectedf("%s: %w", name, err)
	}
	var drafts []jackfield.Draft
	size := 0
	emit := func() error {
		_, err := jackfield.Events.EmitAll(ctx, drafts...)
		drafts, size = nil, 0
		return err
	}
	for _, idoc := range idocs {
		if len(idoc.text) > largestEvent {
			idoc.fault, idoc.text = fmt.Sprintf("it has %d bytes, more than an event carries", len(idoc.text)), nil
		}
		if len(drafts) == mostEvents || size+len(idoc.text) > mostBytes {
			if err := emit(); err != nil {
				return nil, err
			}
		}
		drafts, size = append(drafts, idoc.draft(name)), size+len(idoc.text)
	}
	if err := emit(); err != nil {
		return nil, err
	}
	slog.Info(fmt.Sprintf("%s is parted", name), "idocs", len(idocs))
	return jackfield.JSON(map[string]any{"file": name, "idocs": len(idocs)})
}

// writingOf is how a file is written, by the longest beginning of its name in the setting `files`.
func writingOf(name string) (writing, error) {
	var all map[string]writing
	if _, err := jackfield.Config.JSON("files", &all); err != nil {
		return writing{}, err
	}
	found, how := "", all[""]
	for beginning, its := range all {
		if strings.HasPrefix(name, beginning) && len(beginning) > len(found) {
			found, how = beginning, its
		}
	}
	return how, nil
}

// draft is an IDoc's event. Its subject is the IDoc's number, by which a person finds it among the dead letters.
func (i idoc) draft(file string) jackfield.Draft {
	extensions := jackfield.Attributes{{Name: "file", Value: file}}
	for _, known := range []jackfield.Attribute{{Name: "sender", Value: i.sender}, {Name: "fault", Value: i.fault}} {
		if known.Value != "" {
			extensions = append(extensions, known)
		}
	}
	return jackfield.Draft{
		Type: arrived, Subject: i.docnum, ContentType: i.contentType, Extensions: extensions, Data: i.text,
	}
}

// publish publishes an IDoc's order, once: also if the IDoc comes again, in another file or in the other form.
func publish(ctx context.Context, event jackfield.Event[[]byte]) (*jackfield.Output, error) {
	docnum, sender := event.Subject, event.Extensions.Get("sender")
	if fault := event.Extensions.Get("fault"); fault != "" {
		return nil, jackfield.Rejectedf("IDoc %s: %s", docnum, fault)
	}
	if docnum == "" || sender == "" {
		return nil, jackfield.Rejectedf("its control record says no number (DOCNUM), or no sender (SNDPRN)")
	}
	order, err := readOrder(string(event.Data), event.ContentType)
	if err != nil {
		return nil, jackfield.Rejectedf("IDoc %s: %w", docnum, err)
	}
	answer := map[string]any{"docnum": docnum, "order": order.Number, "published": true}
	// Runs of one sender follow one another: nobody else is between this look and the write.
	key := fmt.Sprintf("published/%s/%s", sender, docnum)
	known, err := jackfield.KV.Entry(ctx, key)
	if err != nil {
		return nil, err
	}
	if known != nil {
		slog.Info(fmt.Sprintf("IDoc %s was published before", docnum))
		answer["published"] = false
		return jackfield.JSON(answer)
	}
	topic, err := jackfield.Config.Require("topic")
	if err != nil {
		return nil, err
	}
	err = jackfield.Messaging.Publish(ctx, "broker", jackfield.Message{
		Topic: topic,
		Key:   order.Customer,
		Headers: jackfield.Attributes{
			{Name: "docnum", Value: docnum}, {Name: "mestyp", Value: order.Message}, {Name: "sender", Value: sender},
		},
		Data: order,
	})
	if err != nil {
		return nil, err
	}
	if err := jackfield.KV.SetFor(ctx, key, order.Number, remembered); err != nil {
		return nil, err
	}
	slog.Info(fmt.Sprintf("order %s is published", order.Number), "docnum", docnum, "items", len(order.Items))
	return jackfield.JSON(answer)
}
