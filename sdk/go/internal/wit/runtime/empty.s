// Lets a Go file of this package declare functions without a body: those of the host, and two of Go's runtime.
