package jackfield

import (
	"context"
	"time"
)

// Batch is operations that are carried out together, or not at all. At most 100, and 4 MiB. Nothing happens before
// [Batch.Commit].
type Batch struct {
	connection string
	operations []operation
	// The first value that cannot be written.
	problem error
}

// operation is one of four; exactly one of its fields is set.
type operation struct {
	set       *assignment
	remove    *string
	increment *addition
	check     *condition
}

type addition struct {
	key string
	by  int64
}

// condition: version "" means that the key must not exist.
type condition struct {
	key, version string
}

// Batch begins a batch.
func (s Store) Batch() *Batch { return &Batch{connection: s.connection} }

// Set writes a key.
func (b *Batch) Set(key string, value any) *Batch { return b.assign(key, value, 0) }

// SetFor writes a key that disappears after ttl.
func (b *Batch) SetFor(key string, value any, ttl time.Duration) *Batch {
	if err := lives(ttl); err != nil && b.problem == nil {
		b.problem = err
	}
	return b.assign(key, value, seconds(ttl))
}

func (b *Batch) assign(key string, value any, ttlSeconds uint32) *Batch {
	data, problem := encode("the value of `"+key+"`", value)
	if problem != nil {
		if b.problem == nil {
			b.problem = problem
		}
		return b
	}
	b.operations = append(b.operations, operation{set: &assignment{key, data, ttlSeconds}})
	return b
}

// Remove removes a key. No error if there is none.
func (b *Batch) Remove(key string) *Batch {
	b.operations = append(b.operations, operation{remove: &key})
	return b
}

// Increment adds to a counter.
func (b *Batch) Increment(key string, by int64) *Batch {
	b.operations = append(b.operations, operation{increment: &addition{key, by}})
	return b
}

// Check goes on only if the key has this version; if version is "", only if it does not exist.
func (b *Batch) Check(key, version string) *Batch {
	b.operations = append(b.operations, operation{check: &condition{key, version}})
	return b
}

// Commit carries out all operations in order, or none. True if done; false if a check did not hold.
func (b *Batch) Commit(ctx context.Context) (bool, error) {
	if b.problem != nil {
		return false, b.problem
	}
	texts := []string{b.connection}
	for _, o := range b.operations {
		switch {
		case o.set != nil:
			texts = append(texts, o.set.key)
		case o.remove != nil:
			texts = append(texts, *o.remove)
		case o.increment != nil:
			texts = append(texts, o.increment.key)
		case o.check != nil:
			texts = append(texts, o.check.key, o.check.version)
		}
	}
	if err := ready(ctx, texts...); err != nil {
		return false, err
	}
	done, refused := hostKVBatch(b.connection, b.operations)
	if refused != nil {
		return false, refused.error("")
	}
	return done, nil
}
