// Package types holds what the generated bindings make of the contract's options, results and tuples.
package types

// Unit is a result that says only that all went well.
type Unit struct{}

// Option is a value, or none.
type Option[T any] struct {
	some  bool
	value T
}

// The tags of an option in memory.
const (
	OptionNone uint8 = 0
	OptionSome uint8 = 1
)

// None is no value.
func None[T any]() Option[T] { return Option[T]{} }

// Some is a value.
func Some[T any](value T) Option[T] { return Option[T]{some: true, value: value} }

// Tag is the option's tag in memory.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// Some is the value; the zero value if there is none.
func (o Option[T]) Some() T { return o.value }

// IsSome says whether there is a value.
func (o Option[T]) IsSome() bool { return o.some }

// Result is what a call gave, or why it failed.
type Result[T, E any] struct {
	failed bool
	ok     T
	err    E
}

// The tags of a result in memory.
const (
	ResultOk  uint8 = 0
	ResultErr uint8 = 1
)

// Ok is what a call gave.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{ok: value} }

// Err is why a call failed.
func Err[T, E any](value E) Result[T, E] { return Result[T, E]{failed: true, err: value} }

// Tag is the result's tag in memory.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// Ok is what the call gave; the zero value if it failed.
func (r Result[T, E]) Ok() T { return r.ok }

// Err is why the call failed; the zero value if it did not.
func (r Result[T, E]) Err() E { return r.err }

// IsErr says whether the call failed.
func (r Result[T, E]) IsErr() bool { return r.failed }

// Tuple2 is a pair.
type Tuple2[T0, T1 any] struct {
	F0 T0
	F1 T1
}
