package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
	"github.com/jackfield/jackfield/sdk/go/httpclient"
)

// manyAnswers asks for a large value again and again: what comes in has to go again, and none of it may be lost
// before it was read.
func manyAnswers(ctx context.Context, wish wish) (*jackfield.Output, error) {
	value := pattern(0, wish.Bytes)
	if err := jackfield.KV.Set(ctx, "asked/large", value); err != nil {
		return nil, err
	}
	var kept [][]byte
	for i := range wish.Times {
		var found []byte
		if _, err := jackfield.KV.Get(ctx, "asked/large", &found); err != nil {
			return nil, err
		}
		if !bytes.Equal(found, value) {
			return nil, jackfield.Errorf("answer %d is not what was stored", i)
		}
		// Some are kept, so that memory is not simply used again.
		if i%50 == 0 {
			kept = append(kept, found)
		}
	}
	for i, found := range kept {
		if !bytes.Equal(found, value) {
			return nil, jackfield.Errorf("kept answer %d changed", i)
		}
	}
	return jackfield.JSON(map[string]int{"answers": wish.Times, "kept": len(kept)})
}

// atOnce has goroutines call the host while others make garbage and wait for timers.
func atOnce(ctx context.Context, wish wish) (*jackfield.Output, error) {
	const workers = 8
	var group sync.WaitGroup
	problems := make([]error, workers)
	for worker := range workers {
		group.Go(func() {
			key, value := fmt.Sprintf("asked/%d", worker), pattern(worker, wish.Bytes)
			if problems[worker] = jackfield.KV.Set(ctx, key, value); problems[worker] != nil {
				return
			}
			for i := range wish.Times {
				var found []byte
				if _, err := jackfield.KV.Get(ctx, key, &found); err != nil || !bytes.Equal(found, value) {
					problems[worker] = jackfield.Errorf("worker %d, answer %d: %w", worker, i, errors.Join(errors.New("wrong"), err))
					return
				}
				if i%16 == worker {
					time.Sleep(time.Millisecond)
				}
				_ = strings.Repeat("garbage ", 512)
			}
		})
	}
	group.Wait()
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return jackfield.JSON(map[string]int{"answers": workers * wish.Times})
}

// atRandom makes calls in an order that Go makes up: that of a map, and of what select finds ready.
func atRandom(ctx context.Context) (*jackfield.Output, error) {
	places := map[string]bool{"/a": true, "/b": true, "/c": true, "/d": true, "/e": true, "/f": true, "/g": true}
	for place := range places {
		if _, err := jackfield.HTTP.Post("side", place).Send(ctx); err != nil {
			return nil, err
		}
	}
	left, right := make(chan string, 8), make(chan string, 8)
	for range cap(left) {
		left <- "/left"
		right <- "/right"
	}
	for range cap(left) {
		place := ""
		select {
		case place = <-left:
		case place = <-right:
		}
		if _, err := jackfield.HTTP.Post("side", place).Send(ctx); err != nil {
			return nil, err
		}
	}
	last, err := jackfield.HTTP.Get("side", "/last").Send(ctx)
	if err != nil {
		return nil, err
	}
	return nil, last.ErrorForStatus()
}

func pattern(seed, length int) []byte {
	value := make([]byte, length)
	for i := range value {
		value[i] = byte(i*7 + i>>8 + seed)
	}
	return value
}

// store uses every function of the store.
func store(ctx context.Context) (*jackfield.Output, error) {
	kv := jackfield.KV
	told := map[string]any{}
	var problem error
	tell := func(name string, value any, err error) {
		told[name] = value
		problem = errors.Join(problem, err)
	}
	tell("set", nil, kv.SetFor(ctx, "asked/a", map[string]int{"n": 1}, time.Hour))
	entry, err := kv.Entry(ctx, "asked/a")
	tell("entry", string(entry.Value), err)
	written, err := kv.CompareAndSet(ctx, "asked/a", "another", 2)
	tell("another version", written, err)
	written, err = kv.CompareAndSet(ctx, "asked/a", entry.Version, 2)
	tell("its version", written, err)
	written, err = kv.CompareAndSetFor(ctx, "asked/b", "", "new", time.Minute)
	tell("a new key", written, err)
	sum, err := kv.Increment(ctx, "asked/n", -3)
	tell("sum", sum, err)
	done, err := kv.Batch().Check("asked/c", "").Set("asked/c", []string{"x"}).Increment("asked/n", 5).Remove("asked/b").Commit(ctx)
	tell("batch", done, err)
	done, err = kv.Batch().Check("asked/c", "").Remove("asked/c").Commit(ctx)
	tell("batch that does not hold", done, err)
	entries, err := kv.GetMany(ctx, "asked/a", "asked/b", "asked/c", "asked/n")
	values := make([]string, len(entries))
	for i, entry := range entries {
		if entry != nil {
			values[i] = string(entry.Value)
		}
	}
	tell("many", values, err)
	var keys []string
	for key, err := range kv.Keys(ctx, "asked/") {
		keys = append(keys, key)
		problem = errors.Join(problem, err)
	}
	tell("keys", keys, nil)
	was, err := kv.Remove(ctx, "asked/a")
	tell("removed", was, err)
	_, err = kv.Get(ctx, "other/a", &was)
	tell("denied", errors.Is(err, jackfield.AccessDenied), nil)
	_, err = kv.Increment(ctx, "asked/c", 1)
	tell("no counter", errors.Is(err, jackfield.Invalid), nil)
	if problem != nil {
		return nil, problem
	}
	return jackfield.JSON(told)
}

// client uses net/http, by a client and by what it does by itself.
func client(ctx context.Context, wish wish) (*jackfield.Output, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, wish.URL+"/a?b=c#d", strings.NewReader(`{"x":1}`))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Of", "go")
	response, err := httpclient.New().Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	plain, err := http.Get(wish.URL + "/plain")
	if err != nil {
		return nil, err
	}
	_, denied := http.Get("https://elsewhere.example/")
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	slow, err := http.NewRequestWithContext(short, http.MethodGet, wish.URL+"/slow", nil)
	if err != nil {
		return nil, err
	}
	_, late := http.DefaultClient.Do(slow)
	return jackfield.JSON(map[string]any{
		"status":  response.Status,
		"type":    response.Header.Get("Content-Type"),
		"body":    string(body),
		"plain":   plain.StatusCode,
		"denied":  errors.Is(denied, jackfield.AccessDenied),
		"late":    errors.Is(late, jackfield.Timeout),
		"headers": slices.Sorted(maps.Keys(request.Header)),
	})
}
