package jackfield

import (
	"context"
	"sync"
	"time"
)

// runContext is the handler's context: it ends when the time of the attempt is over, or the handler has returned.
//
// The host is asked for the time only if somebody wants to know.
type runContext struct {
	mutex    sync.Mutex
	asked    bool
	deadline time.Time
	done     chan struct{}
	timer    *time.Timer
	err      error
}

// Deadline is when the host stops this attempt.
func (c *runContext) Deadline() (time.Time, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.until(), true
}

func (c *runContext) until() time.Time {
	if !c.asked {
		c.asked, c.deadline = true, time.Now().Add(Remaining())
	}
	return c.deadline
}

// Done is closed when the context ends.
func (c *runContext) Done() <-chan struct{} {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		} else {
			c.timer = time.AfterFunc(time.Until(c.until()), func() { c.end(context.DeadlineExceeded) })
		}
	}
	return c.done
}

// Err says why the context ended. It asks the host, so that a loop that never waits sees its end coming too.
func (c *runContext) Err() error {
	c.mutex.Lock()
	err := c.err
	c.mutex.Unlock()
	if err == nil && Remaining() == 0 {
		err = context.DeadlineExceeded
		c.end(err)
	}
	return err
}

type runKey struct{}

// Value has nothing to tell but the context itself.
func (c *runContext) Value(key any) any {
	if key == (runKey{}) {
		return c
	}
	return nil
}

func (c *runContext) end(err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.done != nil {
		close(c.done)
	}
}

// ended says whether a context that the handler made of its own is over. Its own is not asked: the host knows itself.
func ended(ctx context.Context) error {
	if _, own := ctx.(*runContext); own {
		return nil
	}
	return ctx.Err()
}

// timeLimit is how long a context that the handler made of its own gives a call; 0 if it sets no limit of its own.
func timeLimit(ctx context.Context) (time.Duration, error) {
	if err := ended(ctx); err != nil {
		return 0, err
	}
	if _, own := ctx.(*runContext); own {
		return 0, nil
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, nil
	}
	if run, ok := ctx.Value(runKey{}).(*runContext); ok {
		if whole, _ := run.Deadline(); deadline.Equal(whole) {
			return 0, nil
		}
	}
	left := time.Until(deadline)
	if left <= 0 {
		return 0, context.DeadlineExceeded
	}
	return left, nil
}
