package jackfield

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"time"
)

// failure is why an event was not handled, as the contract tells it.
type failure struct {
	// rejected: then only the message is told.
	rejected  bool
	name      string
	message   string
	stack     string
	retryable bool
	// retryAfter is the shortest delay, in milliseconds; 0 for none.
	retryAfter uint32
}

// failureOf makes of what a handler returned what the host is told.
func failureOf(err error) failure {
	message := valid(err.Error())
	var known *Error
	if !errors.As(err, &known) {
		name := nameOf(err)
		if name == "" {
			name = string(Other)
		}
		return failure{name: name, message: message, retryable: true}
	}
	if known.kind == Rejected && !known.retryable {
		return failure{rejected: true, message: message}
	}
	return failure{
		name:       valid(known.name),
		message:    message,
		stack:      valid(framesOf(known.stack)),
		retryable:  known.retryable,
		retryAfter: milliseconds(known.retryAfter),
	}
}

// milliseconds are whole ones, never fewer than asked for, as many as the contract can say.
func milliseconds(length time.Duration) uint32 { return whole(length, time.Millisecond) }

// seconds are whole ones, never fewer than asked for, as many as the contract can say.
func seconds(length time.Duration) uint32 { return whole(length, time.Second) }

func whole(length, unit time.Duration) uint32 {
	up := max(length, 0)
	if up%unit > 0 {
		up += min(unit, math.MaxInt64-up)
	}
	return uint32(min(up/unit, math.MaxUint32))
}

// nameOf is the name of an error's type, such as strconv.NumError; "" for those that are text alone, made by errors.New
// and fmt.Errorf.
func nameOf(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "context.DeadlineExceeded"
	case errors.Is(err, context.Canceled):
		return "context.Canceled"
	}
	for err != nil {
		kind := reflect.TypeOf(err)
		for kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		if path := kind.PkgPath(); path != "errors" && path != "fmt" && kind.Name() != "" {
			// What the project calls its own needs no package before it.
			return strings.TrimPrefix(kind.String(), "main.")
		}
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			if errs := several.Unwrap(); len(errs) > 0 {
				err = errs[0]
				continue
			}
		}
		err = errors.Unwrap(err)
	}
	return ""
}
