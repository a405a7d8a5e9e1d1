//go:build !wasip1

package jackfield

// Outside of a component there is no host. The tests of this package put one in its place.

import "log/slog"

// host is what answers outside of a component.
type host struct {
	run           func() RunInfo
	remaining     func() uint32
	log           func(slog.Level, string, []Attribute)
	configGet     func(string) (string, bool, *refusal)
	configAll     func() (Attributes, *refusal)
	send          func(request) (*Response, *refusal)
	emit          func([]draft) ([]string, *refusal)
	get           func(connection, key string) (*Entry, *refusal)
	getMany       func(connection string, keys []string) ([]*Entry, *refusal)
	set           func(connection string, a assignment) *refusal
	remove        func(connection, key string) (bool, *refusal)
	keys          func(connection, prefix, cursor string, limit uint32) ([]string, string, *refusal)
	increment     func(connection, key string, by int64) (int64, *refusal)
	compareAndSet func(connection, version string, a assignment) (bool, *refusal)
	batch         func(connection string, operations []operation) (bool, *refusal)
}

var nobody = refusal{Unavailable, "there is no host here: this is not a component, but a program of this machine"}

// absent refuses every call.
func absent() host {
	return host{
		run:           func() RunInfo { return RunInfo{} },
		remaining:     func() uint32 { return 1<<32 - 1 },
		log:           func(slog.Level, string, []Attribute) {},
		configGet:     func(string) (string, bool, *refusal) { return "", false, &nobody },
		configAll:     func() (Attributes, *refusal) { return nil, &nobody },
		send:          func(request) (*Response, *refusal) { return nil, &nobody },
		emit:          func([]draft) ([]string, *refusal) { return nil, &nobody },
		get:           func(string, string) (*Entry, *refusal) { return nil, &nobody },
		getMany:       func(string, []string) ([]*Entry, *refusal) { return nil, &nobody },
		set:           func(string, assignment) *refusal { return &nobody },
		remove:        func(string, string) (bool, *refusal) { return false, &nobody },
		keys:          func(string, string, string, uint32) ([]string, string, *refusal) { return nil, "", &nobody },
		increment:     func(string, string, int64) (int64, *refusal) { return 0, &nobody },
		compareAndSet: func(string, string, assignment) (bool, *refusal) { return false, &nobody },
		batch:         func(string, []operation) (bool, *refusal) { return false, &nobody },
	}
}

var current = absent()

func hostRun() RunInfo                                        { return current.run() }
func hostRemaining() uint32                                   { return current.remaining() }
func hostLog(level slog.Level, message string, a []Attribute) { current.log(level, message, a) }
func hostConfigGet(name string) (string, bool, *refusal)      { return current.configGet(name) }
func hostConfigAll() (Attributes, *refusal)                   { return current.configAll() }
func hostSend(sent request) (*Response, *refusal)             { return current.send(sent) }
func hostEmit(drafts []draft) ([]string, *refusal)            { return current.emit(drafts) }
func hostKVGet(connection, key string) (*Entry, *refusal)     { return current.get(connection, key) }
func hostKVSet(connection string, a assignment) *refusal      { return current.set(connection, a) }
func hostKVRemove(connection, key string) (bool, *refusal)    { return current.remove(connection, key) }
func hostKVBatch(connection string, o []operation) (bool, *refusal) {
	return current.batch(connection, o)
}

func hostKVGetMany(connection string, keys []string) ([]*Entry, *refusal) {
	return current.getMany(connection, keys)
}

func hostKVKeys(connection, prefix, cursor string, limit uint32) ([]string, string, *refusal) {
	return current.keys(connection, prefix, cursor, limit)
}

func hostKVIncrement(connection, key string, by int64) (int64, *refusal) {
	return current.increment(connection, key, by)
}

func hostKVCompareAndSet(connection, version string, a assignment) (bool, *refusal) {
	return current.compareAndSet(connection, version, a)
}
