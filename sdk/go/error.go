package jackfield

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is what went wrong, so far as a handler may want to decide by it:
//
//	if errors.Is(err, jackfield.InDoubt) { … }
//
// Its text is the name that failures of this kind are grouped by.
type Kind string

const (
	// Other is anything else.
	Other Kind = "Error"
	// Rejected means that the event itself is wrong, and no later attempt can succeed.
	Rejected Kind = "rejected"
	// AccessDenied means that the manifest does not grant the call. The message holds the line to add.
	AccessDenied Kind = "access-denied"
	// Invalid means that the call cannot be made as it is: a URL, a header, a key, a limit.
	Invalid Kind = "invalid"
	// Unavailable means that the other side, or the host's store, does not answer; nothing was changed.
	Unavailable Kind = "unavailable"
	// Timeout means no answer in time, to a call that may safely be made again.
	Timeout Kind = "timeout"
	// InDoubt means sent and not answered: the call may have been carried out. If the attempt fails after this, the run
	// waits for a person's decision.
	InDoubt Kind = "in-doubt"
	// TooLarge means that a request or a response body is larger than its limit.
	TooLarge Kind = "too-large"
	// Quota means that the integration's quota is used up.
	Quota Kind = "quota"
	// Conflict means that others changed the same at the same time, or that not as much was changed as was expected;
	// trying again may help.
	Conflict Kind = "conflict"
	// Database means that the database refused the statement; see [Error.Code].
	Database Kind = "database"
	// Refused means that the broker, the storage or the mail server refused it, and will refuse it again.
	Refused Kind = "refused"
	// SOAPFault means that a SOAP service said that it failed; see [Error.Fault].
	SOAPFault Kind = "soap-fault"
	// HTTPStatus means that the other side answered with [Error.Status]; see [Response.ErrorForStatus].
	HTTPStatus Kind = "http-status"
)

// Error makes a kind something that errors.Is compares with.
func (k Kind) Error() string { return string(k) }

// retryable says whether an error of this kind is worth another attempt, unless somebody says otherwise.
func (k Kind) retryable() bool {
	switch k {
	case Rejected, AccessDenied, Invalid, TooLarge, Refused, Database, SOAPFault:
		return false
	}
	return true
}

// worthAnotherAttempt says whether a status may be another one later: "too early", "too many" and "took too long" pass,
// and so do breakdowns.
func worthAnotherAttempt(status int) bool {
	return status == 408 || status == 425 || status == 429 || status >= 500
}

// Error is an error that knows its kind, and whether trying again may help.
//
// A handler may return any error; it is tried again then. An Error among those it wraps says more.
//
// Do not put secrets in the text: it is stored with the run.
type Error struct {
	kind       Kind
	name       string
	message    string
	status     int
	code       string
	fault      *Fault
	retryable  bool
	retryAfter time.Duration
	cause      error
	stack      []uintptr
}

// Errorf is like fmt.Errorf: the run is tried again. An Error that it wraps with %w lends it its kind, and whether
// another attempt may succeed.
func Errorf(format string, arguments ...any) *Error {
	wrapped := fmt.Errorf(format, arguments...)
	var from *Error
	if errors.As(wrapped, &from) {
		lent := *from
		lent.message, lent.cause = wrapped.Error(), wrapped
		return &lent
	}
	e := newError(Other, wrapped.Error())
	e.cause = wrapped
	if name := nameOf(wrapped); name != "" {
		e.name = name
	}
	return e
}

// Rejectedf says that the event itself is wrong and no later attempt can succeed: it goes to the dead letters at once.
// The text is for the operator; a waiting caller does not see it.
func Rejectedf(format string, arguments ...any) *Error {
	wrapped := fmt.Errorf(format, arguments...)
	e := newError(Rejected, wrapped.Error())
	e.cause = wrapped
	return e
}

func newError(kind Kind, message string) *Error {
	return &Error{
		kind:      kind,
		name:      string(kind),
		message:   message,
		retryable: kind.retryable(),
		stack:     callers(),
	}
}

// newDatabaseError is a database's refusal, by its SQLSTATE; "" if the database has none.
func newDatabaseError(code, message string) *Error {
	if code != "" {
		message += " (" + code + ")"
	}
	e := newError(Database, message)
	e.code = code
	// Connections, rollbacks, resources, locks, operators, the system: that may pass. A statement stays wrong.
	for _, class := range []string{"08", "40", "53", "55", "57", "58"} {
		e.retryable = e.retryable || strings.HasPrefix(code, class)
	}
	return e
}

// Named sets the name that equal failures are grouped by: a short constant.
func (e *Error) Named(name string) *Error {
	changed := *e
	changed.name = name
	return &changed
}

// Retryable says that a later attempt may succeed.
func (e *Error) Retryable() *Error {
	changed := *e
	changed.retryable = true
	return &changed
}

// NotRetryable says that no later attempt can succeed: the run goes to the dead letters at once.
func (e *Error) NotRetryable() *Error {
	changed := *e
	changed.retryable, changed.retryAfter = false, 0
	return &changed
}

// RetryAfter says that a later attempt may succeed, but not before delay has passed.
func (e *Error) RetryAfter(delay time.Duration) *Error {
	changed := *e
	changed.retryable, changed.retryAfter = true, delay
	return &changed
}

// Error is one sentence for a person.
func (e *Error) Error() string { return e.message }

// Unwrap gives the error that it was made of, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Is has errors.Is compare with a [Kind].
func (e *Error) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && e.kind == kind
}

// Kind is what went wrong.
func (e *Error) Kind() Kind { return e.kind }

// Name is what equal failures are grouped by.
func (e *Error) Name() string { return e.name }

// Status is the HTTP status that the other side answered with; 0 if that is not what went wrong.
func (e *Error) Status() int { return e.status }

// Code is the database's SQLSTATE, such as 23505 for a value that must be unique; "" if that is not what went wrong.
func (e *Error) Code() string { return e.code }

// Fault is what a SOAP service said; nil if that is not what went wrong.
func (e *Error) Fault() *Fault { return e.fault }

// IsRetryable says whether a later attempt may succeed.
func (e *Error) IsRetryable() bool { return e.retryable }

// Delay is the shortest time before the next attempt; 0 if there is none.
func (e *Error) Delay() time.Duration { return e.retryAfter }
