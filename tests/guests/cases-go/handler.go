// Plays the case of tests/polyglot that its event names: type case.kv-values is the case kv-values.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

// event is what every case is played with.
type event = jackfield.Event[[]byte]

// play plays a case. What it gives is answered as JSON.
type play func(context.Context, event) (any, error)

var cases = map[string]play{
	"http-methods":          httpMethods,
	"http-url":              httpURL,
	"http-headers":          httpHeaders,
	"http-query":            httpQuery,
	"http-bodies":           httpBodies,
	"http-files":            httpFiles,
	"http-answers":          httpAnswers,
	"http-statuses":         httpStatuses,
	"http-error-for-status": httpErrorForStatus,
	"http-redirects":        httpRedirects,
	"http-timeout":          httpTimeout,
	"http-in-doubt":         httpInDoubt,
	"http-unavailable":      httpUnavailable,
	"http-too-large":        httpTooLarge,
	"http-invalid":          httpInvalid,
	"http-denied":           httpDenied,
	"http-unfit":            httpUnfit,
	"http-once":             httpOnce,
	"http-own":              httpOwn,
	"kv-values":             kvValues,
	"kv-ttl":                kvTTL,
	"kv-many":               kvMany,
	"kv-compare":            kvCompare,
	"kv-batch":              kvBatch,
	"kv-counters":           kvCounters,
	"kv-keys":               kvKeys,
	"kv-refused":            kvRefused,
	"kv-unfit":              kvUnfit,
	"sql":                   sqlRows,
	"sql-changes":           sqlChanges,
	"sql-refused":           sqlRefused,
	"messaging":             messaging,
	"messaging-refused":     messagingRefused,
	"blob":                  blob,
	"blob-refused":          blobRefused,
	"email":                 email,
	"email-refused":         emailRefused,
	"config":                config,
	"config-missing":        configMissing,
	"config-unfit":          configUnfit,
	"events":                events,
	"events-later":          eventsLater,
	"events-refused":        eventsRefused,
	"events-quota":          eventsQuota,
	"log-levels":            logLevels,
	"log-own":               logOwn,
	"log-print":             logPrint,
	"log-limits":            logLimits,
	"run":                   run,
	"event":                 eventAttributes,
	"event-data":            eventData,
	"event-numbers":         eventNumbers,
	"output":                output,
	"rejected":              rejected,
	"final":                 final,
	"retried":               retried,
	"retried-later":         retriedLater,
	"cause":                 cause,
	"uncaught":              uncaught,
	"exit":                  exit,
	"async":                 inParallel,
	"never":                 never,
	"out-of-time":           outOfTime,
	"out-of-memory":         outOfMemory,
	"over-budget":           overBudget,
	"recursion":             recursion,
	"cancelled":             cancelled,
	"non-determinism":       changesItsMind,
	"unawaited":             forgets,
}

func init() { jackfield.Handle(onEvent) }

func main() {}

func onEvent(ctx context.Context, event event) (*jackfield.Output, error) {
	// What a case emits comes back here: to be heard is all there is to it.
	if strings.HasPrefix(event.Type, "heard.") {
		return nil, nil
	}
	name := strings.TrimPrefix(event.Type, "case.")
	play, known := cases[name]
	if !known {
		return nil, jackfield.Rejectedf("there is no case `%s`", name)
	}
	answer, err := play(ctx, event)
	if err != nil {
		return nil, err
	}
	// The case of outputs makes its own, or none.
	if output, own := answer.(*jackfield.Output); own {
		return output, nil
	}
	return jackfield.JSON(answer)
}

// told is what went wrong with a call, for an answer.
func told(err error) any {
	var known *jackfield.Error
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &known):
		return []string{known.Name(), known.Error()}
	}
	return err.Error()
}

// failed is told of a call that gives something besides.
func failed[T any](_ T, err error) any { return told(err) }

// arguments reads the event's data.
func arguments[T any](event event) (T, error) {
	var read T
	err := json.Unmarshal(event.Data, &read)
	return read, err
}

// orNull is a text as JSON; null if it is not there.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
