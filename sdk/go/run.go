package jackfield

import "time"

// RunInfo is one run: one event, handled until it succeeds or is given up.
type RunInfo struct {
	// ID is the run's id, the same for all its attempts.
	ID string
	// Attempt is 1 for the first attempt. For logs: a handler whose calls depend on it asks for something else when it
	// is tried again, and is stopped for it.
	Attempt int
	// IdempotencyKey is the same for every attempt of a run, different for every run. Pass it on to services that
	// accept one. (The host gives every POST and PATCH one of its own.)
	IdempotencyKey string
	// Trigger is the trigger's name in the manifest.
	Trigger string
	// Integration is the integration's name in the manifest.
	Integration string
	// Environment, such as prod.
	Environment string
	// Component is the component's name in the manifest.
	Component string
	// Version is the integration's version.
	Version int
	// Deadline is when the host stops this attempt. For logs, like Attempt; to decide, use [Remaining].
	Deadline time.Time
	// Traceparent is the W3C trace context of this attempt; "" if there is none. The host sends it by itself with HTTP
	// calls.
	Traceparent string
}

// Run tells of the run that the handler is called for.
func Run() RunInfo { return hostRun() }

// Remaining is how long the host lets this attempt go on; zero once its time is over or the run was cancelled, so that a
// long loop can stop early and in order.
func Remaining() time.Duration {
	return time.Duration(hostRemaining()) * time.Millisecond
}
