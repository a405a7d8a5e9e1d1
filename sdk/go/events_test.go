package jackfield

import (
	"errors"
	"testing"
	"time"
)

func TestADraftSaysWhatItIsTold(t *testing.T) {
	var asked []draft
	fake(t).emit = func(drafts []draft) ([]string, *refusal) {
		asked = drafts
		return []string{"7", "8", "9", "10"}[:len(drafts)], nil
	}
	id, err := Events.Emit(t.Context(), Draft{Type: "order.paid", After: 1500 * time.Millisecond, Data: []int{1, 2}})
	equal(t, id, "7")
	equal(t, err, nil)
	equal(t, asked[0].delaySeconds, 2)
	equal(t, string(asked[0].data), "[1,2]")
	equal(t, asked[0].ContentType, "application/json")
	_, err = Events.EmitAll(t.Context(),
		Draft{Type: "a", Data: []byte{0}}, Draft{Type: "b"}, Draft{Type: "c", Data: 1, ContentType: "x"})
	equal(t, err, nil)
	equal(t, asked[0].ContentType, "")
	equal(t, len(asked[1].data), 0)
	equal(t, asked[2].ContentType, "x")
}

func TestWhatIsNoJSONIsNotEmitted(t *testing.T) {
	fake(t).emit = func([]draft) ([]string, *refusal) { panic("it was asked") }
	_, err := Events.EmitAll(t.Context(), Draft{Type: "a"}, Draft{Type: "b", Data: make(chan int)})
	equal(t, errors.Is(err, Invalid), true)
}

func TestEveryRefusalKeepsItsKind(t *testing.T) {
	for _, kind := range []Kind{AccessDenied, Invalid, Quota, Unavailable, TooLarge} {
		fake(t).emit = func([]draft) ([]string, *refusal) { return nil, &refusal{kind: kind, text: "x"} }
		_, err := Events.Emit(t.Context(), Draft{Type: "a"})
		equal(t, errors.Is(err, kind), true)
		equal(t, failureOf(err).retryable, kind.retryable())
	}
}
