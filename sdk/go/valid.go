package jackfield

import "strings"

// valid is text as the contract wants it, which is UTF-8.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
