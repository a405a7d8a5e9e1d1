package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

func rejected(context.Context, event) (any, error) {
	return nil, jackfield.Rejectedf("the order has no number")
}

func final(context.Context, event) (any, error) {
	return nil, jackfield.Errorf("there is no customer 7").Named("no-such-customer").NotRetryable()
}

func retried(context.Context, event) (any, error) {
	return nil, errors.New("not today")
}

func retriedLater(context.Context, event) (any, error) {
	if jackfield.Run().Attempt == 1 {
		return nil, jackfield.Errorf("not now").RetryAfter(900 * time.Millisecond)
	}
	return "the second attempt of `retried-later`", nil
}

// DamagedList is an error of the project's own.
type DamagedList struct{ cause error }

func (d *DamagedList) Error() string { return fmt.Sprintf("the price list is damaged: %s", d.cause) }

func (d *DamagedList) Unwrap() error { return d.cause }

func cause(context.Context, event) (any, error) {
	if err := price(); err != nil {
		return nil, jackfield.Errorf("%w", &DamagedList{err}) // place: cause
	}
	return nil, nil
}

func price() error { return errors.New("line 7 has no price") }

func uncaught(context.Context, event) (any, error) {
	return customer(nil), nil
}

type person struct{ name string }

func customer(found *person) int {
	return len(found.name) // place: uncaught
}

func exit(context.Context, event) (any, error) {
	os.Exit(3)
	return nil, nil
}

// inParallel has timers, and several things at the same time.
func inParallel(context.Context, event) (any, error) {
	var all sync.WaitGroup
	order := make(chan string, 3)
	for name, after := range map[string]time.Duration{"slow": 1200 * time.Millisecond, "quick": 400 * time.Millisecond, "at once": 0} {
		all.Go(func() {
			time.Sleep(after)
			order <- name
		})
	}
	all.Wait()
	return []string{<-order, <-order, <-order}, nil
}

func never(context.Context, event) (any, error) {
	select {}
}

type how struct{ How string }

func outOfTime(_ context.Context, event event) (any, error) {
	wanted, err := arguments[how](event)
	if err != nil {
		return nil, err
	}
	for n := uint64(0); wanted.How == "computing"; n++ {
		spun = n
	}
	time.Sleep(time.Minute)
	return "within", nil
}

// spun keeps the loop from being left out.
var spun uint64

func outOfMemory(context.Context, event) (any, error) {
	var kept [][]byte
	for {
		kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		spun = uint64(len(kept))
	}
}

func overBudget(ctx context.Context, event event) (any, error) {
	wanted, err := arguments[how](event)
	if err != nil {
		return nil, err
	}
	if wanted.How == "output" {
		return strings.Repeat("x", 70_000), nil
	}
	for number := range 30 {
		if err := jackfield.KV.Set(ctx, fmt.Sprintf("key-%d", number), number); err != nil {
			return nil, err
		}
	}
	return "within", nil
}

func recursion(context.Context, event) (any, error) {
	return deeper(1), nil
}

func deeper(n int) int {
	return deeper(n+1) + 1
}

// cancelled waits for its end; the line says that it began.
func cancelled(context.Context, event) (any, error) {
	slog.Info("waiting")
	time.Sleep(15 * time.Second)
	return "was not cancelled", nil
}

func changesItsMind(ctx context.Context, _ event) (any, error) {
	path := fmt.Sprintf("/attempt/%d", jackfield.Run().Attempt)
	if _, err := jackfield.HTTP.Post("outside", path).Send(ctx); err != nil {
		return nil, err
	}
	return nil, jackfield.Errorf("once more")
}

// forgets begins something, and does not wait for it.
func forgets(ctx context.Context, _ event) (any, error) {
	go func() { _, _ = jackfield.HTTP.Post("outside", "/forgotten").Send(ctx) }()
	return "returned", nil
}
