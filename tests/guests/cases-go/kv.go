package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

// first gives the first error, so that a case reads as a list of calls.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// values are stored values as JSON, null for those that are not there.
func values(entries []*jackfield.Entry) []any {
	all := make([]any, len(entries))
	for i, entry := range entries {
		if entry != nil {
			all[i] = json.RawMessage(entry.Value)
		}
	}
	return all
}

func kvValues(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	if err := first(
		kv.Set(ctx, "text", "Zoë \u2603"),
		kv.Set(ctx, "number", 1.5),
		kv.Set(ctx, "object", map[string]any{"a": []any{1, nil, true}}),
		kv.Set(ctx, "schlüssel", 1),
		kv.Set(ctx, "bytes", everyByte()),
	); err != nil {
		return nil, err
	}
	var stored []byte
	_, err := kv.Get(ctx, "bytes", &stored)
	before, err2 := kv.Entry(ctx, "number")
	if err := first(err, err2, kv.Set(ctx, "number", 2.5)); err != nil {
		return nil, err
	}
	after, err := kv.Entry(ctx, "number")
	removed, err2 := kv.Remove(ctx, "schlüssel")
	again, err3 := kv.Remove(ctx, "schlüssel")
	if err := first(err, err2, err3); err != nil {
		return nil, err
	}
	var text string
	var number float64
	var object any
	var missing any
	_, err = kv.Get(ctx, "text", &text)
	_, err2 = kv.Get(ctx, "number", &number)
	_, err3 = kv.Get(ctx, "object", &object)
	_, err4 := kv.Get(ctx, "missing", &missing)
	if err := first(err, err2, err3, err4); err != nil {
		return nil, err
	}
	return map[string]any{
		"text":                        text,
		"number":                      number,
		"object":                      object,
		"bytes":                       []any{len(stored), stored[255], bytes.Equal(stored, everyByte())},
		"missing":                     missing,
		"a write changes the version": before.Version != after.Version,
		"removed":                     []bool{removed, again},
	}, nil
}

func kvTTL(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	err := kv.SetFor(ctx, "a", 1, time.Second)
	created, err2 := kv.CompareAndSetFor(ctx, "b", "", 2, time.Second)
	done, err3 := kv.Batch().SetFor("c", 3, time.Second).Set("d", 4).Commit(ctx)
	before, err4 := kv.GetMany(ctx, "a", "b", "c", "d")
	time.Sleep(1300 * time.Millisecond)
	after, err5 := kv.GetMany(ctx, "a", "b", "c", "d")
	if err := first(err, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	return []any{created, done, values(before), values(after), told(kv.SetFor(ctx, "a", 1, 0))}, nil
}

func kvMany(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	err := first(kv.Set(ctx, "a", 1), kv.Set(ctx, "b", "two"))
	found, err2 := kv.GetMany(ctx, "b", "missing", "a", "b")
	none, err3 := kv.GetMany(ctx)
	if err := first(err, err2, err3); err != nil {
		return nil, err
	}
	var names []string
	for number := range 101 {
		names = append(names, fmt.Sprintf("key-%d", number))
	}
	return []any{values(found), values(none), failed(kv.GetMany(ctx, names...))}, nil
}

func kvCompare(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	created, err := kv.CompareAndSet(ctx, "key", "", 1)
	again, err2 := kv.CompareAndSet(ctx, "key", "", 2)
	entry, err3 := kv.Entry(ctx, "key")
	if err := first(err, err2, err3); err != nil {
		return nil, err
	}
	changed, err := kv.CompareAndSet(ctx, "key", entry.Version, 3)
	changedAgain, err2 := kv.CompareAndSet(ctx, "key", entry.Version, 4)
	stored, err3 := kv.CompareAndSet(ctx, "bytes", "", []byte{0, 255})
	var value int
	_, err4 := kv.Get(ctx, "key", &value)
	return []any{[]bool{created, again}, changed, changedAgain, stored, value}, first(err, err2, err3, err4)
}

func kvBatch(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	err := kv.Set(ctx, "old", 1)
	old, err2 := kv.Entry(ctx, "old")
	if err := first(err, err2); err != nil {
		return nil, err
	}
	done, err := kv.Batch().
		Check("old", old.Version).
		Check("new", "").
		Set("new", map[string]bool{"made": true}).
		Set("bytes", []byte{0, 255}).
		Increment("count", 2).
		Increment("count", -5).
		Remove("old").
		Remove("never there").
		Commit(ctx)
	refused, err2 := kv.Batch().Set("new", "other").Check("new", "").Commit(ctx)
	empty, err3 := kv.Batch().Commit(ctx)
	tooMany := kv.Batch()
	for number := range 101 {
		tooMany.Set(fmt.Sprintf("many-%d", number), number)
	}
	return []any{done, refused, empty, failed(tooMany.Commit(ctx))}, first(err, err2, err3)
}

func kvCounters(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	sums := []string{}
	for _, addition := range []struct {
		key string
		by  int64
	}{
		{"count", 5},
		{"count", -8},
		{"count", 0},
		{"large", 9_007_199_254_740_993},
		{"large", 1},
		{"most", math.MaxInt64},
		{"least", math.MinInt64},
	} {
		sum, err := kv.Increment(ctx, addition.key, addition.by)
		if err != nil {
			return nil, err
		}
		sums = append(sums, strconv.FormatInt(sum, 10))
	}
	if err := kv.Set(ctx, "text", "x"); err != nil {
		return nil, err
	}
	refused := []any{
		failed(kv.Increment(ctx, "most", 1)),
		failed(kv.Increment(ctx, "least", -1)),
		failed(kv.Increment(ctx, "text", 1)),
		failed(kv.Batch().Set("other", 1).Increment("text", 1).Commit(ctx)),
	}
	var count int64
	_, err := kv.Get(ctx, "count", &count)
	return []any{sums, refused, count}, err
}

// allKeys are the keys that start with prefix, or the first of them.
func allKeys(ctx context.Context, store jackfield.Store, prefix string, most int) ([]string, error) {
	found := []string{}
	for key, err := range store.Keys(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		found = append(found, key)
		if len(found) == most {
			break
		}
	}
	return found, nil
}

func kvKeys(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	for hundred := range 21 {
		batch := kv.Batch()
		for n := range 100 {
			batch.Set(fmt.Sprintf("page/%04d", hundred*100+n), n)
		}
		if _, err := batch.Commit(ctx); err != nil {
			return nil, err
		}
	}
	err := kv.Set(ctx, "other", 1)
	pages, err2 := allKeys(ctx, kv, "page/", -1)
	everything, err3 := allKeys(ctx, kv, "", -1)
	two, err4 := allKeys(ctx, kv, "page/", 2)
	none, err5 := allKeys(ctx, kv, "nothing/", -1)
	if err := first(err, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	return []any{len(pages), slices.IsSorted(pages), pages[len(pages)-1], len(everything), two, none}, nil
}

func kvRefused(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	other := kv.Connection("other")
	var value any
	_, err := kv.Get(ctx, "read-only/key", &value)
	return []any{
		told(kv.Set(ctx, "closed/key", 1)),
		told(kv.Set(ctx, "read-only/key", 1)),
		value,
		failed(allKeys(ctx, kv, "", -1)),
		failed(kv.Entry(ctx, "")),
		told(kv.Set(ctx, strings.Repeat("k", 513), 1)),
		failed(kv.Entry(ctx, "open/\n")),
		told(kv.Set(ctx, "open/large", make([]byte, 1<<20+1))),
		failed(other.Entry(ctx, "open/key")),
	}, err
}

func kvUnfit(ctx context.Context, _ event) (any, error) {
	kv := jackfield.KV
	if err := first(kv.Set(ctx, "text", []byte("no json")), kv.Set(ctx, "list", []int{1, 2})); err != nil {
		return nil, err
	}
	var value any
	var text string
	return []any{failed(kv.Get(ctx, "text", &value)), failed(kv.Get(ctx, "list", &text))}, nil
}
