package jackfield

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// KV is keys and values, kept across runs and versions: private to the integration in its environment, shared by its
// components.
//
// Values are written as JSON and read back into any type that encoding/json reads; []byte and json.RawMessage are
// written and read as they are. Every call is atomic, and a write is not undone if the run fails afterwards. A run that
// is tried again does not write again.
//
// Limits: a key has 1 to 512 bytes and no control characters, a value at most 1 MiB.
var KV = Store{connection: "default"}

// Store is a store of keys and values. See [KV].
type Store struct {
	connection string
}

// Entry is a value and its version.
type Entry struct {
	// Value is the value as it is stored; [Entry.JSON] reads it.
	Value []byte
	// Version changes with every write of the key. Compare for equality only.
	Version string

	key string
}

// JSON reads the value into what into points to, by the rules of encoding/json.
func (e *Entry) JSON(into any) error {
	if err := decode(e.Value, into); err != nil {
		return newError(Other, fmt.Sprintf("the value of `%s` is not as expected: %s", e.key, err)).Named("stored-value")
	}
	return nil
}

// Connection gives the same functions on another store, by its connection in the manifest.
func (Store) Connection(name string) Store { return Store{connection: name} }

// Get reads the value of a key into what into points to. False if there is none, or its time is over.
func (s Store) Get(ctx context.Context, key string, into any) (bool, error) {
	entry, err := s.Entry(ctx, key)
	if entry == nil || err != nil {
		return false, err
	}
	if err := entry.JSON(into); err != nil {
		return false, err
	}
	return true, nil
}

// Entry gives the value of a key with its version, for [Store.CompareAndSet]; nil if there is none.
func (s Store) Entry(ctx context.Context, key string) (*Entry, error) {
	if err := ready(ctx, s.connection, key); err != nil {
		return nil, err
	}
	entry, refused := hostKVGet(s.connection, key)
	if refused != nil {
		return nil, refused.error("")
	}
	if entry != nil {
		entry.key = key
	}
	return entry, nil
}

// GetMany gives the values of up to 100 keys, in their order, as they were at one moment; nil where there is none.
func (s Store) GetMany(ctx context.Context, keys ...string) ([]*Entry, error) {
	if err := ready(ctx, append([]string{s.connection}, keys...)...); err != nil {
		return nil, err
	}
	entries, refused := hostKVGetMany(s.connection, keys)
	if refused != nil {
		return nil, refused.error("")
	}
	for i, entry := range entries {
		if entry != nil && i < len(keys) {
			entry.key = keys[i]
		}
	}
	return entries, nil
}

// Set writes a key. It stays until it is removed.
func (s Store) Set(ctx context.Context, key string, value any) error {
	return s.set(ctx, key, value, 0)
}

// SetFor writes a key that disappears after ttl: whole seconds, never fewer than asked for. A ttl of 0 is [Invalid].
func (s Store) SetFor(ctx context.Context, key string, value any, ttl time.Duration) error {
	if err := lives(ttl); err != nil {
		return err
	}
	return s.set(ctx, key, value, seconds(ttl))
}

func (s Store) set(ctx context.Context, key string, value any, ttlSeconds uint32) error {
	data, problem := encode("the value", value)
	if problem != nil {
		return problem
	}
	if err := ready(ctx, s.connection, key); err != nil {
		return err
	}
	if refused := hostKVSet(s.connection, assignment{key, data, ttlSeconds}); refused != nil {
		return refused.error("")
	}
	return nil
}

// Remove removes a key. True if there was one.
func (s Store) Remove(ctx context.Context, key string) (bool, error) {
	if err := ready(ctx, s.connection, key); err != nil {
		return false, err
	}
	was, refused := hostKVRemove(s.connection, key)
	if refused != nil {
		return false, refused.error("")
	}
	return was, nil
}

// Increment adds to a counter and returns the sum. A missing key counts as 0. It fails with [Invalid] if the value is
// not a counter.
func (s Store) Increment(ctx context.Context, key string, by int64) (int64, error) {
	if err := ready(ctx, s.connection, key); err != nil {
		return 0, err
	}
	sum, refused := hostKVIncrement(s.connection, key, by)
	if refused != nil {
		return 0, refused.error("")
	}
	return sum, nil
}

// CompareAndSet writes a key only if it still has version; if version is "", only if it does not exist. True if it was
// written.
func (s Store) CompareAndSet(ctx context.Context, key, version string, value any) (bool, error) {
	return s.compareAndSet(ctx, key, version, value, 0)
}

// CompareAndSetFor is [Store.CompareAndSet] of a key that disappears after ttl.
func (s Store) CompareAndSetFor(ctx context.Context, key, version string, value any, ttl time.Duration) (bool, error) {
	if err := lives(ttl); err != nil {
		return false, err
	}
	return s.compareAndSet(ctx, key, version, value, seconds(ttl))
}

func (s Store) compareAndSet(ctx context.Context, key, version string, value any, ttlSeconds uint32) (bool, error) {
	data, problem := encode("the value", value)
	if problem != nil {
		return false, problem
	}
	if err := ready(ctx, s.connection, key, version); err != nil {
		return false, err
	}
	written, refused := hostKVCompareAndSet(s.connection, version, assignment{key, data, ttlSeconds})
	if refused != nil {
		return false, refused.error("")
	}
	return written, nil
}

// Keys are the keys that start with prefix, in ascending order, read page by page as they are asked for. Keys written
// meanwhile may be missing. After an error there are no more.
func (s Store) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	const page = 1_000
	return func(yield func(string, error) bool) {
		for cursor := ""; ; {
			if err := ready(ctx, s.connection, prefix); err != nil {
				yield("", err)
				return
			}
			keys, next, refused := hostKVKeys(s.connection, prefix, cursor, page)
			if refused != nil {
				yield("", refused.error(""))
				return
			}
			for _, key := range keys {
				if !yield(key, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			cursor = next
		}
	}
}

// assignment is a key to be written.
type assignment struct {
	key   string
	value []byte
	// ttlSeconds is 0 for a key that stays.
	ttlSeconds uint32
}

// lives refuses what is no time to live, in the host's words: 0 seconds stand for a key that stays.
func lives(ttl time.Duration) error {
	if ttl <= 0 {
		return newError(Invalid, "a time to live is 1 second or more")
	}
	return nil
}
