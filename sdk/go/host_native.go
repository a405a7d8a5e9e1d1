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
	query         func(connection string, s statement) (*Table, *refusal)
	execute       func(connection string, s statement) (Change, *refusal)
	sqlBatch      func(connection string, steps []step) ([]Change, *refusal)
	publish       func(connection string, messages []message) *refusal
	request       func(connection string, asked message, timeoutMs uint32) (*Reply, *refusal)
	blobStat      func(connection, name string) (*ObjectInfo, *refusal)
	blobGet       func(connection, name string, part *part) ([]byte, bool, *refusal)
	blobPut       func(connection string, object Object, data []byte) (string, *refusal)
	blobRemove    func(connection, name string) *refusal
	blobList      func(connection, prefix, cursor string, limit uint32) ([]ObjectInfo, string, *refusal)
	sendMail      func(connection string, mail Mail) (string, *refusal)
}

var nobody = refusal{kind: Unavailable, text: "there is no host here: this is not a component, but a program of this machine"}

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
		query:         func(string, statement) (*Table, *refusal) { return nil, &nobody },
		execute:       func(string, statement) (Change, *refusal) { return Change{}, &nobody },
		sqlBatch:      func(string, []step) ([]Change, *refusal) { return nil, &nobody },
		publish:       func(string, []message) *refusal { return &nobody },
		request:       func(string, message, uint32) (*Reply, *refusal) { return nil, &nobody },
		blobStat:      func(string, string) (*ObjectInfo, *refusal) { return nil, &nobody },
		blobGet:       func(string, string, *part) ([]byte, bool, *refusal) { return nil, false, &nobody },
		blobPut:       func(string, Object, []byte) (string, *refusal) { return "", &nobody },
		blobRemove:    func(string, string) *refusal { return &nobody },
		blobList:      func(string, string, string, uint32) ([]ObjectInfo, string, *refusal) { return nil, "", &nobody },
		sendMail:      func(string, Mail) (string, *refusal) { return "", &nobody },
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

func hostQuery(connection string, s statement) (*Table, *refusal) {
	return current.query(connection, s)
}
func hostExecute(connection string, s statement) (Change, *refusal) {
	return current.execute(connection, s)
}
func hostPublish(connection string, messages []message) *refusal {
	return current.publish(connection, messages)
}
func hostBlobStat(connection, name string) (*ObjectInfo, *refusal) {
	return current.blobStat(connection, name)
}
func hostBlobRemove(connection, name string) *refusal { return current.blobRemove(connection, name) }
func hostSendMail(connection string, mail Mail) (string, *refusal) {
	return current.sendMail(connection, mail)
}

func hostSQLBatch(connection string, steps []step) ([]Change, *refusal) {
	return current.sqlBatch(connection, steps)
}

func hostRequest(connection string, asked message, timeoutMs uint32) (*Reply, *refusal) {
	return current.request(connection, asked, timeoutMs)
}

func hostBlobGet(connection, name string, part *part) ([]byte, bool, *refusal) {
	return current.blobGet(connection, name, part)
}

func hostBlobPut(connection string, object Object, data []byte) (string, *refusal) {
	return current.blobPut(connection, object, data)
}

func hostBlobList(connection, prefix, cursor string, limit uint32) ([]ObjectInfo, string, *refusal) {
	return current.blobList(connection, prefix, cursor, limit)
}
