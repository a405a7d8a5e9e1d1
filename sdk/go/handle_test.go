package jackfield

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// handled has a handler answer one event.
func handled[T any](t *testing.T, data string, function func(context.Context, Event[T]) (*Output, error)) (*Output, *failure) {
	t.Helper()
	fake(t)
	handler = nil
	t.Cleanup(func() { handler = nil })
	Handle(function)
	return answer(Event[[]byte]{ID: "1", Data: []byte(data)})
}

func TestAnAnswerIsHandedOver(t *testing.T) {
	output, failed := handled(t, "3", func(_ context.Context, event Event[int]) (*Output, error) {
		return JSON(event.Data+1, WithStatus(201), WithHeader("x-a", "b"))
	})
	if failed != nil {
		t.Fatal(failed)
	}
	equal(t, string(output.Data), "4")
	equal(t, output.Status, 201)
	equal(t, output.ContentType, "application/json")
	equal(t, output.Headers.Get("x-a"), "b")
	output, failed = handled(t, "", func(context.Context, Event[struct{}]) (*Output, error) { return nil, nil })
	equal(t, output, nil)
	equal(t, failed, nil)
}

func TestAnOutputSaysWhatItIs(t *testing.T) {
	equal(t, Text("ä").ContentType, "text/plain; charset=utf-8")
	equal(t, Empty(204).Status, 204)
	_, err := JSON(make(chan int))
	equal(t, errors.Is(err, Invalid), true)
}

func TestAHandlerIsNotCalledWithDataItCannotRead(t *testing.T) {
	_, failed := handled(t, "x", func(context.Context, Event[int]) (*Output, error) { panic("called") })
	equal(t, failed.rejected, true)
}

func TestAHandlerMayFailWithAnyError(t *testing.T) {
	_, failed := handled(t, "", func(context.Context, Event[any]) (*Output, error) { return nil, errors.New("gone") })
	equal(t, failed.message, "gone")
	equal(t, failed.retryable, true)
	equal(t, failed.stack, "")
}

func TestAnErrorThatIsNoneIsNone(t *testing.T) {
	_, failed := handled(t, "", func(context.Context, Event[any]) (*Output, error) {
		var nothing *Error
		return nil, nothing
	})
	equal(t, failed, nil)
}

func TestAPanicIsAFailure(t *testing.T) {
	for value, message := range map[any]string{
		"boom":             "boom",
		errors.New("gone"): "gone",
		7:                  "7",
	} {
		_, failed := handled(t, "", func(context.Context, Event[any]) (*Output, error) { panic(value) })
		equal(t, failed.name, "panic")
		equal(t, failed.message, message)
		equal(t, failed.retryable, true)
	}
}

func TestAComponentHasOneHandler(t *testing.T) {
	fake(t)
	handler = nil
	_, failed := answer(Event[[]byte]{})
	equal(t, failed.name, "no-handler")
	equal(t, failed.retryable, false)
	none := func(context.Context, Event[any]) (*Output, error) { return nil, nil }
	Handle(none)
	defer func() {
		handler = nil
		if text, _ := recover().(string); !strings.Contains(text, "twice") {
			t.Error("a second handler was taken")
		}
	}()
	Handle(none)
}
