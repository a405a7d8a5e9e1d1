package jackfield

import (
	"errors"
	"strings"
	"testing"
)

func TestTextThatIsNoneIsRefusedBeforeItIsSent(t *testing.T) {
	fake(t) // It refuses with another kind.
	const bad = "a\xff"
	ctx := t.Context()
	_, entry := KV.Entry(ctx, bad)
	_, many := KV.GetMany(ctx, "a", bad)
	_, removed := KV.Connection(bad).Remove(ctx, "a")
	_, compared := KV.CompareAndSet(ctx, "a", bad, 1)
	_, batch := KV.Batch().Remove("a").Check("b", bad).Commit(ctx)
	_, setting := Config.Require(bad)
	_, emitted := Events.Emit(ctx, Draft{Type: "a", Extensions: Attributes{{"a", bad}}})
	_, sent := HTTP.Get("x", "/").Header("a", bad).Send(ctx)
	_, place := HTTP.Get("x", "/"+bad).Send(ctx)
	for i, err := range []error{entry, many, removed, compared, batch, setting, emitted, sent, place} {
		if !errors.Is(err, Invalid) || !strings.Contains(err.Error(), "is not UTF-8") {
			t.Error(i, err)
		}
	}
	// In a log a line that can be read is better than none.
	equal(t, valid(bad), "a\uFFFD")
}
