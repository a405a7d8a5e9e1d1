package jackfield

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

func told(t *testing.T, err error) failure {
	t.Helper()
	if err == nil {
		t.Fatal("there is no error")
	}
	return failureOf(err)
}

func TestAnErrorOfAnotherLibraryKeepsItsTypeAndText(t *testing.T) {
	_, err := strconv.Atoi("x")
	f := told(t, err)
	equal(t, f.name, "strconv.NumError")
	equal(t, f.message, `strconv.Atoi: parsing "x": invalid syntax`)
	equal(t, f.retryable, true)
	equal(t, told(t, fmt.Errorf("reading: %w", err)).name, "strconv.NumError")
	equal(t, told(t, errors.Join(errors.New("a"), err)).name, "Error")
	equal(t, told(t, errors.New("plain")).name, "Error")
	equal(t, told(t, context.DeadlineExceeded).name, "context.DeadlineExceeded")
}

func TestARejectionIsFinalUnlessSomebodySaysOtherwise(t *testing.T) {
	f := told(t, Rejectedf("no %s", "number"))
	equal(t, f.rejected, true)
	equal(t, f.message, "no number")
	later := told(t, Rejectedf("no").RetryAfter(2*time.Second))
	equal(t, later.rejected, false)
	equal(t, later.retryable, true)
	equal(t, later.retryAfter, 2000)
}

func TestAWrappedErrorLendsWhatItKnows(t *testing.T) {
	refused := (&refusal{kind: AccessDenied, text: "add a line"}).error("GET github /user")
	for _, err := range []error{
		Errorf("reading the user: %w", refused),
		fmt.Errorf("reading the user: %w", refused),
		fmt.Errorf("handling: %w", Errorf("reading the user: %w", refused)),
	} {
		f := told(t, err)
		equal(t, f.name, "access-denied")
		equal(t, f.retryable, false)
		equal(t, errors.Is(err, AccessDenied), true)
		equal(t, errors.Is(err, InDoubt), false)
		if !strings.HasSuffix(f.message, "reading the user: GET github /user: add a line") {
			t.Error(f.message)
		}
	}
	var known *Error
	equal(t, errors.As(fmt.Errorf("x: %w", refused), &known), true)
	equal(t, known.Kind(), AccessDenied)
}

func TestWhatIsWorthAnotherAttempt(t *testing.T) {
	for _, kind := range []Kind{Other, Unavailable, Timeout, InDoubt, Quota} {
		equal(t, newError(kind, "x").IsRetryable(), true)
	}
	for _, kind := range []Kind{Rejected, AccessDenied, Invalid, TooLarge} {
		equal(t, newError(kind, "x").IsRetryable(), false)
	}
	for _, status := range []int{408, 425, 429, 500, 503, 599} {
		equal(t, worthAnotherAttempt(status), true)
	}
	for _, status := range []int{301, 400, 401, 404, 409, 422} {
		equal(t, worthAnotherAttempt(status), false)
	}
}

func TestWhatIsSaidOfAnErrorLeavesTheErrorAsItWas(t *testing.T) {
	one := Errorf("gone")
	two := one.Named("no-such-customer").NotRetryable()
	equal(t, one.Name(), "Error")
	equal(t, one.IsRetryable(), true)
	f := told(t, two)
	equal(t, f.name, "no-such-customer")
	equal(t, f.retryable, false)
	equal(t, two.Retryable().IsRetryable(), true)
}

func TestAFinalErrorHasNoDelay(t *testing.T) {
	e := Errorf("x").RetryAfter(time.Second).NotRetryable()
	equal(t, e.Delay(), 0)
	equal(t, e.IsRetryable(), false)
}

func TestTimesAreWholeAndNeverCutShort(t *testing.T) {
	equal(t, milliseconds(time.Microsecond), 1)
	equal(t, milliseconds(time.Duration(math.MaxInt64)), math.MaxUint32)
	equal(t, milliseconds(-time.Second), 0)
	equal(t, seconds(2001*time.Millisecond), 3)
	equal(t, seconds(2*time.Second), 2)
	equal(t, seconds(time.Duration(math.MaxInt64)), math.MaxUint32)
	equal(t, seconds(time.Microsecond), 1)
	equal(t, lives(time.Nanosecond), nil)
	equal(t, errors.Is(lives(0), Invalid), true)
}

func TestTextThatIsNoTextIsToldAllTheSame(t *testing.T) {
	equal(t, told(t, errors.New("a\xffb")).message, "a\uFFFDb")
}
