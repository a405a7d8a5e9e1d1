package jackfield

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestTheContextAsksForTheTimeOnlyIfSomebodyWantsToKnow(t *testing.T) {
	asked := 0
	fake(t).remaining = func() uint32 { asked++; return 30_000 }
	ctx := new(runContext)
	equal(t, ended(ctx), nil)
	equal(t, asked, 0)
	deadline, ok := ctx.Deadline()
	equal(t, ok, true)
	equal(t, time.Until(deadline) > 29*time.Second, true)
	ctx.Deadline()
	equal(t, asked, 1)
}

func TestALoopThatNeverWaitsSeesItsEnd(t *testing.T) {
	left := uint32(3)
	fake(t).remaining = func() uint32 { left--; return left }
	ctx := new(runContext)
	rounds := 0
	for ctx.Err() == nil {
		rounds++
	}
	equal(t, rounds, 2)
	equal(t, ctx.Err(), context.DeadlineExceeded)
}

func TestWhoWaitsIsWoken(t *testing.T) {
	fake(t).remaining = func() uint32 { return 20 }
	ctx := new(runContext)
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	<-child.Done()
	equal(t, child.Err(), context.DeadlineExceeded)
	equal(t, context.Cause(ctx), context.DeadlineExceeded)
}

func TestTheContextEndsWithItsHandler(t *testing.T) {
	fake(t).remaining = func() uint32 { return 60_000 }
	ctx := new(runContext)
	done := ctx.Done()
	ctx.end(context.Canceled)
	<-done
	equal(t, ctx.Err(), context.Canceled)
	late := new(runContext)
	late.end(context.Canceled)
	<-late.Done()
}

func TestACallIsNotMadeInAContextThatIsOver(t *testing.T) {
	fake(t).set = func(string, assignment) *refusal { panic("it was asked") }
	ctx, cancel := context.WithCancel(new(runContext))
	cancel()
	equal(t, errors.Is(KV.Set(ctx, "a", 1), context.Canceled), true)
}
