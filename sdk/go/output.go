package jackfield

// Output is what a handler answers. It is stored with the run.
//
// A webhook whose trigger says respond = true answers with it: status, headers and body. For other triggers it is what
// the run's page shows.
type Output struct {
	// Status is the HTTP status; 200 if it is 0.
	Status int
	// ContentType is the media type of Data.
	ContentType string
	// Headers of the response or the message.
	Headers Attributes
	// Data is the body.
	Data []byte
}

// An OutputOption says more of an output than its body.
type OutputOption func(*Output)

// WithStatus sets the HTTP status.
func WithStatus(status int) OutputOption {
	return func(output *Output) { output.Status = status }
}

// WithHeader adds a header.
func WithHeader(name, value string) OutputOption {
	return func(output *Output) { output.Headers = append(output.Headers, Attribute{name, value}) }
}

// JSON is a value as JSON. It fails if the value cannot be written so: a channel, for instance.
func JSON(value any, options ...OutputOption) (*Output, error) {
	data, err := encode("the output", value)
	if err != nil {
		return nil, err
	}
	return Bytes("application/json", data, options...), nil
}

// Text is plain text.
func Text(text string, options ...OutputOption) *Output {
	return Bytes("text/plain; charset=utf-8", []byte(text), options...)
}

// Bytes are bytes of a media type.
func Bytes(contentType string, data []byte, options ...OutputOption) *Output {
	output := &Output{ContentType: contentType, Data: data}
	for _, option := range options {
		option(output)
	}
	return output
}

// Empty has no body, only a status.
func Empty(status int) *Output {
	return &Output{Status: status}
}
