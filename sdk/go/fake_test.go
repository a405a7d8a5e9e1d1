package jackfield

import "testing"

// fake puts a host in place that refuses everything, for the time of a test; the test says what it answers instead.
func fake(t *testing.T) *host {
	t.Helper()
	before := current
	current = absent()
	t.Cleanup(func() { current = before })
	return &current
}

// equal complains if what was found is not what was wanted.
func equal[T comparable](t *testing.T, found, wanted T) {
	t.Helper()
	if found != wanted {
		t.Errorf("found %#v, wanted %#v", found, wanted)
	}
}
