package jackfield

import (
	"context"
	"fmt"
)

// handler is what [Handle] was given; nil before.
var handler func(Event[[]byte]) (*Output, error)

// Handle makes a function the handler of its component. Call it in init, or in the declaration of a variable: main is
// not called.
//
//	func init() { jackfield.Handle(onVisit) }
//
//	func main() {}
//
// The context ends when the time of the attempt is over; see [Remaining]. An output of nil means done, nothing to say.
// A handler that returns an error, or panics, is tried again, unless the error is an [Error] that says otherwise.
func Handle[T any](function func(context.Context, Event[T]) (*Output, error)) {
	if handler != nil {
		panic("jackfield.Handle is called twice: a component has one handler")
	}
	handler = func(raw Event[[]byte]) (*Output, error) {
		event, err := read[T](raw)
		if err != nil {
			return nil, err
		}
		ctx := new(runContext)
		defer ctx.end(context.Canceled)
		return call(function, ctx, event)
	}
}

// call calls a handler; a panic becomes an error with its stack.
func call[T any](function func(context.Context, Event[T]) (*Output, error), ctx context.Context, event Event[T]) (output *Output, err error) {
	defer func() {
		if value := recover(); value != nil {
			output, err = nil, newError(Other, panicText(value)).Named("panic")
		}
	}()
	return function(ctx, event)
}

func panicText(value any) string {
	switch value := value.(type) {
	case error:
		return value.Error()
	case string:
		return value
	}
	return fmt.Sprintf("%v", value)
}

// answer calls the handler with an event as the host gave it.
func answer(raw Event[[]byte]) (*Output, *failure) {
	if handler == nil {
		missing := newError(Other, "there is no handler: call jackfield.Handle in an init function of package main")
		told := failureOf(missing.Named("no-handler").NotRetryable())
		return nil, &told
	}
	output, err := handler(raw)
	// A variable of type *Error that nobody set is an error for Go, but not for whoever wrote it.
	if none, ok := err.(*Error); ok && none == nil {
		err = nil
	}
	if err != nil {
		told := failureOf(err)
		return nil, &told
	}
	return output, nil
}
