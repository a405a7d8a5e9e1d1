// Does what its event asks for: a fixture of the tests.
package main

import (
	"context"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

// wish is what an event asks for.
type wish struct {
	Do    string `json:"do"`
	Times int    `json:"times"`
	Bytes int    `json:"bytes"`
	URL   string `json:"url"`
}

func init() { jackfield.Handle(onWish) }

func main() {}

func onWish(ctx context.Context, event jackfield.Event[wish]) (*jackfield.Output, error) {
	wish := event.Data
	switch wish.Do {
	case "many-answers":
		return manyAnswers(ctx, wish)
	case "at-once":
		return atOnce(ctx, wish)
	case "at-random":
		return atRandom(ctx)
	case "store":
		return store(ctx)
	case "client":
		return client(ctx, wish)
	case "until-the-end":
		return untilTheEnd(ctx)
	case "say":
		return say()
	case "nil":
		return outer(nil)
	case "goroutine":
		return elsewhere()
	case "error":
		return nil, failing(wish)
	case "memory":
		return memory()
	}
	return nil, jackfield.Rejectedf("nobody knows how to %s", wish.Do)
}
