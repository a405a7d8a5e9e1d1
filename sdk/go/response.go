package jackfield

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Response is a whole response.
type Response struct {
	// Status is the status.
	Status int
	// Headers have names in lower case.
	Headers Attributes
	// Body is decoded, if it came compressed.
	Body []byte

	what string
}

// Header gives the first value of a header, or "".
func (r *Response) Header(name string) string { return r.Headers.Get(name) }

// IsSuccess says whether the status is 200 to 299.
func (r *Response) IsSuccess() bool { return r.Status >= 200 && r.Status < 300 }

// Text is the body as text; bytes that are not UTF-8 are replaced.
func (r *Response) Text() string { return strings.ToValidUTF8(string(r.Body), "\uFFFD") }

// JSON reads the body as JSON into what into points to, by the rules of encoding/json.
func (r *Response) JSON(into any) error {
	if err := decode(r.Body, into); err != nil {
		return newError(Other, fmt.Sprintf("%s: the answer is not as expected: %s", r.what, err)).Named("answer")
	}
	return nil
}

// ErrorForStatus makes an error of any status but 200 to 299: of kind [HTTPStatus], with the begin of the body.
//
// Worth another attempt are 5xx, 408, 425 and 429; with retry-after not before that. Not worth it are other refusals:
// the other side will refuse them again.
func (r *Response) ErrorForStatus() error {
	if r.IsSuccess() {
		return nil
	}
	text := fmt.Sprintf("%s: %d", r.what, r.Status)
	if said := excerpt(r.Body); said != "" {
		text += ": " + said
	}
	e := newError(HTTPStatus, text)
	e.status = r.Status
	e.retryable = worthAnotherAttempt(r.Status)
	if e.retryable {
		e.retryAfter = retryAfter(r.Headers)
	}
	return e
}

// excerpt is the begin of a body that is text, on one line.
func excerpt(body []byte) string {
	const longest = 200
	if !utf8.Valid(body) {
		return ""
	}
	line := []rune(strings.Join(strings.Fields(string(body)), " "))
	if len(line) > longest {
		return string(line[:longest]) + "…"
	}
	return string(line)
}

// retryAfter is how long the other side asks us to stay away; 0 if it does not say. A date is measured from the
// response's own date: the two clocks are then the same one.
func retryAfter(headers Attributes) time.Duration {
	value := strings.TrimSpace(headers.Get("retry-after"))
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, known := httpDate(value)
	now, dated := httpDate(strings.TrimSpace(headers.Get("date")))
	if !known || !dated {
		return 0
	}
	return max(until.Sub(now), 0)
}

// httpDate reads the one form of date that is still sent: Sun, 06 Nov 1994 08:49:37 GMT.
func httpDate(text string) (time.Time, bool) {
	date, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", text)
	return date, err == nil
}
