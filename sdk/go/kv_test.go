package jackfield

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAValueIsJSONOrBytes(t *testing.T) {
	host := fake(t)
	stored := map[string]assignment{}
	host.set = func(connection string, a assignment) *refusal {
		stored[connection+" "+a.key] = a
		return nil
	}
	host.get = func(connection, key string) (*Entry, *refusal) {
		found, ok := stored[connection+" "+key]
		if !ok {
			return nil, nil
		}
		return &Entry{Value: found.value, Version: "1"}, nil
	}
	ctx := t.Context()
	equal(t, KV.Set(ctx, "a", []int{1, 2}), nil)
	equal(t, KV.SetFor(ctx, "b", []byte("\x00raw"), 1500*time.Millisecond), nil)
	equal(t, KV.Connection("redis").Set(ctx, "a", json.RawMessage(`{"x":1}`)), nil)
	equal(t, string(stored["default a"].value), "[1,2]")
	equal(t, stored["default a"].ttlSeconds, 0)
	equal(t, stored["default b"].ttlSeconds, 2)
	equal(t, string(stored["redis a"].value), `{"x":1}`)

	var numbers []int
	found, err := KV.Get(ctx, "a", &numbers)
	equal(t, found, true)
	equal(t, err, nil)
	equal(t, len(numbers), 2)
	var raw []byte
	found, err = KV.Get(ctx, "b", &raw)
	equal(t, found, true)
	equal(t, err, nil)
	equal(t, string(raw), "\x00raw")
	found, err = KV.Get(ctx, "none", &raw)
	equal(t, found, false)
	equal(t, err, nil)
	_, err = KV.Get(ctx, "b", &numbers)
	if err == nil || !strings.Contains(err.Error(), "the value of `b`") || failureOf(err).name != "stored-value" {
		t.Error(err)
	}
	equal(t, errors.Is(KV.Set(ctx, "a", make(chan int)), Invalid), true)
}

func TestManyValuesKeepTheirOrder(t *testing.T) {
	fake(t).getMany = func(_ string, keys []string) ([]*Entry, *refusal) {
		return []*Entry{{Value: []byte("1")}, nil, {Value: []byte(`"x"`)}}, nil
	}
	entries, err := KV.GetMany(t.Context(), "a", "b", "c")
	equal(t, err, nil)
	var number int
	equal(t, entries[0].JSON(&number), nil)
	equal(t, number, 1)
	equal(t, entries[1], nil)
	equal(t, strings.Contains(entries[2].JSON(&number).Error(), "`c`"), true)
}

func TestKeysAreReadPageByPage(t *testing.T) {
	host := fake(t)
	pages := 0
	host.keys = func(_, prefix, cursor string, limit uint32) ([]string, string, *refusal) {
		pages++
		switch cursor {
		case "":
			return []string{prefix + "1", prefix + "2"}, "2", nil
		case "2":
			return nil, "3", nil
		}
		return []string{prefix + "3"}, "", nil
	}
	var all []string
	for key, err := range KV.Keys(t.Context(), "seen/") {
		equal(t, err, nil)
		all = append(all, key)
	}
	equal(t, strings.Join(all, " "), "seen/1 seen/2 seen/3")
	equal(t, pages, 3)
	for range KV.Keys(t.Context(), "seen/") {
		break
	}
	equal(t, pages, 4)
	host.keys = absent().keys
	for _, err := range KV.Keys(t.Context(), "") {
		equal(t, errors.Is(err, Unavailable), true)
	}
}

func TestABatchIsItsOperationsInOrder(t *testing.T) {
	var told []string
	fake(t).batch = func(connection string, operations []operation) (bool, *refusal) {
		for _, o := range operations {
			switch {
			case o.set != nil:
				told = append(told, "set "+o.set.key+" "+string(o.set.value))
			case o.remove != nil:
				told = append(told, "remove "+*o.remove)
			case o.increment != nil:
				told = append(told, "increment "+o.increment.key)
			case o.check != nil:
				told = append(told, "check "+o.check.key+" "+o.check.version)
			}
		}
		return false, nil
	}
	done, err := KV.Batch().Check("a", "7").Set("a", 1).Remove("b").Increment("c", 2).Commit(t.Context())
	equal(t, done, false)
	equal(t, err, nil)
	equal(t, strings.Join(told, ", "), "check a 7, set a 1, remove b, increment c")
}

func TestABatchTellsItsFirstProblemAndDoesNothing(t *testing.T) {
	fake(t).batch = func(string, []operation) (bool, *refusal) { panic("it was asked") }
	_, err := KV.Batch().Remove("b").Set("a", make(chan int)).Set("c", func() {}).Commit(t.Context())
	equal(t, errors.Is(err, Invalid), true)
	equal(t, strings.Contains(err.Error(), "`a`"), true)
}

func TestCompareAndSetSaysWhetherItWrote(t *testing.T) {
	fake(t).compareAndSet = func(_, version string, a assignment) (bool, *refusal) {
		return version == "" && a.ttlSeconds == 60, nil
	}
	written, err := KV.CompareAndSetFor(t.Context(), "a", "", 1, time.Minute)
	equal(t, written, true)
	equal(t, err, nil)
	written, _ = KV.CompareAndSet(t.Context(), "a", "3", 1)
	equal(t, written, false)
}
