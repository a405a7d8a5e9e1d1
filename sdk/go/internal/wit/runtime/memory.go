// Package runtime is the memory between the host and Go: what is handed over, and what is handed in.
//
// The generated bindings call it. Go's own collector must neither run nor look at the clock while the host asks for
// memory, for a component may not call out then; and it must not take away what only the host knows of.
package runtime

import (
	"runtime"
	"sync"
	"unsafe"
)

// Allocate gives memory to hand over to the host. It stays until pinner is unpinned.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	memory := allocate(size, align)
	if memory != nil {
		pinner.Pin(memory)
	}
	return memory
}

// allocate gives zeroed memory, or nil for none at all.
func allocate(size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// The element's size makes the alignment. None of it is looked through for pointers.
	switch align {
	case 1:
		return unsafe.Pointer(unsafe.SliceData(make([]uint8, size)))
	case 2:
		return unsafe.Pointer(unsafe.SliceData(make([]uint16, (size+1)/2)))
	case 4:
		return unsafe.Pointer(unsafe.SliceData(make([]uint32, (size+3)/4)))
	case 8:
		return unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	}
	panic("jackfield: the host asked for memory of an alignment that the contract does not know")
}

var (
	// received is what the host asked for and nobody in Go refers to yet.
	received []unsafe.Pointer
	// calls has one goroutine at a time be between a call and the end of reading its answer: what it received is
	// nobody else's to let go.
	calls sync.Mutex
	// uncollected is how many bytes the host was given since the collector was asked.
	uncollected uintptr
	// collected keeps the compiler from leaving out what asks the collector.
	collected []byte
)

const (
	collectAfter = 128 << 10
	// Go's allocator takes more than 32 KiB for large.
	large = 40 << 10
)

// Begin begins a call of the host.
func Begin() { calls.Lock() }

// End ends a call of the host, when its answer is read: what the answer did not refer to may go.
func End() {
	letGo()
	due := uncollected >= collectAfter
	if due {
		uncollected = 0
	}
	calls.Unlock()
	if due {
		// The collector is asked whether it is time whenever something large is allocated, but not while the host asks
		// for memory: a handler that receives much and makes little of its own would never ask it.
		collected = make([]byte, large)
		collected = nil
	}
}

// Unpin lets go of what came with a call of the host's, when its arguments are read.
func Unpin() {
	// A goroutine that was interrupted while it read an answer lets go of both.
	if calls.TryLock() {
		End()
	}
}

// What is kept of the list from one call to the next, in entries.
const mostKept = 1024

func letGo() {
	if cap(received) > mostKept {
		received = nil
		return
	}
	clear(received)
	received = received[:0]
}

// reallocate gives the host memory, with what was at old in it, until the call at hand is over.
func reallocate(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	memory := allocate(size, align)
	if memory == nil {
		return nil
	}
	if old != nil {
		copy(unsafe.Slice((*byte)(memory), size), unsafe.Slice((*byte)(old), oldSize))
	}
	received = append(received, memory)
	uncollected += size
	return memory
}

// early is where memory comes from before Go's own is up: the adapter between Go and the host asks for its own then.
var early struct {
	_    [0]uint64 // for the alignment
	room [192 << 10]byte
	used uintptr
}

//go:nosplit
func reallocateEarly(align, size uintptr) unsafe.Pointer {
	begin := (early.used + align - 1) &^ (align - 1)
	end := begin + size
	if end > uintptr(len(early.room)) {
		panic("jackfield: the adapter asked for more memory than there is before Go is up")
	}
	early.used = end
	return unsafe.Pointer(&early.room[begin])
}
