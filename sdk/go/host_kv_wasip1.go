package jackfield

import (
	kv "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_kv"
	wit "github.com/jackfield/jackfield/sdk/go/internal/wit/types"
)

func hostKVGet(connection, key string) (*Entry, *refusal) {
	result := kv.Get(connection, key)
	if result.IsErr() {
		return nil, refusedKV(result.Err())
	}
	return entryOf(result.Ok()), nil
}

func hostKVGetMany(connection string, keys []string) ([]*Entry, *refusal) {
	result := kv.GetMany(connection, keys)
	if result.IsErr() {
		return nil, refusedKV(result.Err())
	}
	entries := make([]*Entry, len(result.Ok()))
	for i, found := range result.Ok() {
		entries[i] = entryOf(found)
	}
	return entries, nil
}

func hostKVSet(connection string, a assignment) *refusal {
	result := kv.Set(connection, a.key, a.value, option(a.ttlSeconds))
	if result.IsErr() {
		return refusedKV(result.Err())
	}
	return nil
}

func hostKVRemove(connection, key string) (bool, *refusal) {
	result := kv.Remove(connection, key)
	if result.IsErr() {
		return false, refusedKV(result.Err())
	}
	return result.Ok(), nil
}

func hostKVKeys(connection, prefix, cursor string, limit uint32) ([]string, string, *refusal) {
	result := kv.Keys(connection, prefix, option(cursor), limit)
	if result.IsErr() {
		return nil, "", refusedKV(result.Err())
	}
	return result.Ok().Keys, result.Ok().Next.Some(), nil
}

func hostKVIncrement(connection, key string, by int64) (int64, *refusal) {
	result := kv.Increment(connection, key, by)
	if result.IsErr() {
		return 0, refusedKV(result.Err())
	}
	return result.Ok(), nil
}

func hostKVCompareAndSet(connection, version string, a assignment) (bool, *refusal) {
	result := kv.CompareAndSet(connection, a.key, option(version), a.value, option(a.ttlSeconds))
	if result.IsErr() {
		return false, refusedKV(result.Err())
	}
	return result.Ok(), nil
}

func hostKVBatch(connection string, operations []operation) (bool, *refusal) {
	lowered := make([]kv.Operation, len(operations))
	for i, o := range operations {
		switch {
		case o.set != nil:
			set := kv.Assignment{Key: o.set.key, Value: o.set.value, TtlSeconds: option(o.set.ttlSeconds)}
			lowered[i] = kv.MakeOperationSet(set)
		case o.remove != nil:
			lowered[i] = kv.MakeOperationRemove(*o.remove)
		case o.increment != nil:
			lowered[i] = kv.MakeOperationIncrement(kv.Addition{Key: o.increment.key, By: o.increment.by})
		default:
			check := kv.Condition{Key: o.check.key, Version: option(o.check.version)}
			lowered[i] = kv.MakeOperationCheck(check)
		}
	}
	result := kv.Batch(connection, lowered)
	if result.IsErr() {
		return false, refusedKV(result.Err())
	}
	return result.Ok(), nil
}

func entryOf(found wit.Option[kv.Entry]) *Entry {
	if !found.IsSome() {
		return nil
	}
	return &Entry{Value: found.Some().Value, Version: found.Some().Version}
}

func refusedKV(refused kv.Error) *refusal {
	switch refused.Tag() {
	case kv.ErrorAccessDenied:
		return &refusal{kind: AccessDenied, text: refused.AccessDenied()}
	case kv.ErrorInvalid:
		return &refusal{kind: Invalid, text: refused.Invalid()}
	case kv.ErrorQuota:
		return &refusal{kind: Quota, text: refused.Quota()}
	case kv.ErrorUnavailable:
		return &refusal{kind: Unavailable, text: refused.Unavailable()}
	default:
		return &refusal{kind: InDoubt, text: refused.InDoubt()}
	}
}
