package jackfield

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// valid is text as the contract wants it, which is UTF-8; what is not is replaced.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// ready says why a call cannot be made: its context is over, or a text of it is none. Text that is not UTF-8 would end
// the attempt.
func ready(ctx context.Context, texts ...string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if refused := textual(texts...); refused != nil {
		return refused.error("")
	}
	return nil
}

func textual(texts ...string) *refusal {
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return &refusal{kind: Invalid, text: fmt.Sprintf("%q is not UTF-8", text)}
		}
	}
	return nil
}
