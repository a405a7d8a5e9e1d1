package jackfield

import "context"

// StackOf is the stack of what a handler fails with.
func StackOf(function func(context.Context, Event[any]) (*Output, error)) string {
	_, err := call(function, new(runContext), Event[any]{})
	return failureOf(err).stack
}
