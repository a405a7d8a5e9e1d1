package jackfield_test

import (
	"context"
	"strings"
	"testing"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

type issue struct{ number int }

func numberOf(i *issue) int { return i.number }

func outer(data any) int {
	found, _ := data.(*issue)
	return numberOf(found)
}

func TestAStackNamesTheFramesOfTheHandler(t *testing.T) {
	panics := func(_ context.Context, event jackfield.Event[any]) (*jackfield.Output, error) {
		outer(event.Data)
		return nil, nil
	}
	lines := strings.Split(jackfield.StackOf(panics), "\n")
	for i, part := range []string{"at github.com/jackfield/jackfield/sdk/go_test.numberOf (", ".outer (", "TestAStack"} {
		if i >= len(lines) || !strings.Contains(lines[i], part) || !strings.Contains(lines[i], "stack_test.go:") {
			t.Errorf("frame %d is not %s: %q", i, part, lines)
		}
	}
	if all := strings.Join(lines, "\n"); strings.Contains(all, "runtime.") || strings.Contains(all, "handle.go") {
		t.Error(all)
	}
}

func TestAnErrorKnowsWhereItWasMade(t *testing.T) {
	fails := func(context.Context, jackfield.Event[any]) (*jackfield.Output, error) {
		return nil, jackfield.Errorf("gone").Named("no-such-customer")
	}
	if stack := jackfield.StackOf(fails); !strings.Contains(stack, "stack_test.go:") {
		t.Error(stack)
	}
}

func deep(n int) int {
	if n == 0 {
		panic("deep")
	}
	return deep(n-1) + 1
}

func TestALongStackIsToldByItsEnds(t *testing.T) {
	stack := jackfield.StackOf(func(context.Context, jackfield.Event[any]) (*jackfield.Output, error) {
		deep(100)
		return nil, nil
	})
	if lines := strings.Split(stack, "\n"); len(lines) != 51 || !strings.HasPrefix(lines[40], "… ") {
		t.Error(len(lines), stack)
	}
}
