package runtime

import (
	"unsafe"
)

// up is set when Go's memory can be asked.
var up bool

func init() { up = true }

// While a goroutine is pinned, no collection starts, and none is helped along: both would look at the clock, or wait.
//
//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// A memory that grows looks at the monotonic clock; paused, it answers without calling out.
//
//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func pauseClock(paused bool)

// The host asks for memory: for an event, or for the answer to a call.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if !up {
		return reallocateEarly(align, size)
	}
	pauseClock(true)
	procPin()
	memory := reallocate(old, oldSize, align, size)
	procUnpin()
	pauseClock(false)
	return memory
}
