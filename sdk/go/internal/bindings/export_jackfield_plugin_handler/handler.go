// Package export_jackfield_plugin_handler is what the generated exports call: the handler, once there is one.
package export_jackfield_plugin_handler

import (
	types "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_types"
	wit "github.com/jackfield/jackfield/sdk/go/internal/wit/types"
)

// Answer is what a handler says.
type Answer = wit.Result[wit.Option[types.Output], types.Failure]

// Handle handles an event. The package jackfield sets it.
var Handle func(types.Event) Answer
