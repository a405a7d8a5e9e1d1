package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"strconv"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

type record struct{ next *record }

// outer calls what does not look where it goes.
func outer(r *record) (*jackfield.Output, error) {
	return inner(r)
}

func inner(r *record) (*jackfield.Output, error) {
	return jackfield.Text(fmt.Sprint(r.next)), nil
}

// elsewhere panics where nobody can catch it.
func elsewhere() (*jackfield.Output, error) {
	done := make(chan bool)
	go func() {
		panic("nobody catches this")
	}()
	<-done
	return nil, nil
}

func failing(wish wish) error {
	_, err := strconv.Atoi(wish.URL)
	return jackfield.Errorf("reading the number: %w", err).Named("no-number").RetryAfter(3 * time.Second)
}

// untilTheEnd works until its time is over, and ends in order.
func untilTheEnd(ctx context.Context) (*jackfield.Output, error) {
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	<-short.Done()
	deadline, _ := ctx.Deadline()
	ticks := 0
	ticker := time.NewTicker(20 * time.Millisecond)
	for ctx.Err() == nil && ticks < 3 {
		<-ticker.C
		ticks++
	}
	return jackfield.JSON(map[string]any{
		"ticks": ticks,
		"left":  time.Until(deadline) > time.Second,
		"run":   jackfield.Run().Component,
		"until": jackfield.Run().Deadline.After(time.Now()),
	})
}

// say says something in every way that Go has.
func say() (*jackfield.Output, error) {
	slog.Warn("by slog", "number", 7, slog.Group("request", "method", "GET"))
	log.Print("by log")
	fmt.Println("printed")
	println("by the runtime")
	return nil, nil
}

// memory takes more than there is.
func memory() (*jackfield.Output, error) {
	var all [][]byte
	for {
		all = append(all, make([]byte, 1<<20))
	}
}
