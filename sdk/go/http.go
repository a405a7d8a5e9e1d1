package jackfield

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// HTTP is calls to other systems over HTTP. Bodies are held in memory, 4 MiB unless the manifest says otherwise.
//
// A call names a connection of the manifest and a path below its base URL; the host adds the credential. Functions that
// end in URL take an absolute URL instead: it must lie below a granted connection or a granted URL. A request that
// changed something and succeeded is never made again: a run that is tried again gets the recorded response.
//
// Code that wants an http.Client finds one in the package httpclient.
var HTTP Client

// Client makes requests. See [HTTP].
type Client struct{}

// Get begins a GET of path, which starts with /, on a connection.
func (Client) Get(connection, path string) *Request { return HTTP.Request("GET", connection, path) }

// Head begins a HEAD of path on a connection.
func (Client) Head(connection, path string) *Request { return HTTP.Request("HEAD", connection, path) }

// Post begins a POST of path on a connection.
func (Client) Post(connection, path string) *Request { return HTTP.Request("POST", connection, path) }

// Put begins a PUT of path on a connection.
func (Client) Put(connection, path string) *Request { return HTTP.Request("PUT", connection, path) }

// Patch begins a PATCH of path on a connection.
func (Client) Patch(connection, path string) *Request { return HTTP.Request("PATCH", connection, path) }

// Delete begins a DELETE of path on a connection.
func (Client) Delete(connection, path string) *Request {
	return HTTP.Request("DELETE", connection, path)
}

// Request begins a request with any method, in capitals.
func (Client) Request(method, connection, path string) *Request {
	return &Request{request: request{connection: connection, method: method, url: path}}
}

// GetURL begins a GET of an absolute URL.
func (Client) GetURL(url string) *Request { return HTTP.RequestURL("GET", url) }

// HeadURL begins a HEAD of an absolute URL.
func (Client) HeadURL(url string) *Request { return HTTP.RequestURL("HEAD", url) }

// PostURL begins a POST of an absolute URL.
func (Client) PostURL(url string) *Request { return HTTP.RequestURL("POST", url) }

// PutURL begins a PUT of an absolute URL.
func (Client) PutURL(url string) *Request { return HTTP.RequestURL("PUT", url) }

// PatchURL begins a PATCH of an absolute URL.
func (Client) PatchURL(url string) *Request { return HTTP.RequestURL("PATCH", url) }

// DeleteURL begins a DELETE of an absolute URL.
func (Client) DeleteURL(url string) *Request { return HTTP.RequestURL("DELETE", url) }

// RequestURL begins a request to an absolute URL with any method, in capitals.
func (Client) RequestURL(method, url string) *Request {
	return &Request{request: request{absolute: true, method: method, url: url}}
}

// Request is a request that is being put together; nothing happens before [Request.Send].
type Request struct {
	request request
	// A body that cannot be written is told by Send, so that a request is one chain of calls.
	problem error
}

// request is what the host is asked.
type request struct {
	// absolute: url is one, and there is no connection.
	absolute     bool
	connection   string
	method       string
	url          string
	headers      Attributes
	body         []byte
	timeout      time.Duration
	maxRedirects uint32
}

// Header adds a header. The headers of the credential, host, content-length and connection are the host's: setting one
// makes the request invalid.
func (r *Request) Header(name, value string) *Request {
	r.request.headers = append(r.request.headers, Attribute{name, value})
	return r
}

// Query adds name=value to the query, percent-encoded. The value is written as fmt.Print does.
func (r *Request) Query(name string, value any) *Request {
	sign := "?"
	if strings.Contains(r.request.url, "?") {
		sign = "&"
	}
	r.request.url += sign + escape(name) + "=" + escape(fmt.Sprint(value))
	return r
}

// JSON sets the body to a value as JSON, and the content type, if none is set.
func (r *Request) JSON(value any) *Request {
	body, problem := encode("the body", value)
	if problem != nil {
		r.problem = problem
		return r
	}
	return r.bodyOf("application/json", body)
}

// Form sets the body to fields as a form sends them, and the content type, if none is set.
func (r *Request) Form(fields ...Attribute) *Request {
	pairs := make([]string, len(fields))
	for i, field := range fields {
		pairs[i] = escape(field.Name) + "=" + escape(field.Value)
	}
	return r.bodyOf("application/x-www-form-urlencoded", []byte(strings.Join(pairs, "&")))
}

// Body sets the body. Say what it is with a content-type header.
func (r *Request) Body(body []byte) *Request {
	r.request.body = body
	return r
}

func (r *Request) bodyOf(contentType string, body []byte) *Request {
	if r.request.headers.Values("content-type") == nil {
		r.Header("content-type", contentType)
	}
	return r.Body(body)
}

// Timeout waits no longer than this for the whole response. Otherwise the connection's own limit holds. A deadline of
// the context that [Request.Send] is given counts too.
func (r *Request) Timeout(limit time.Duration) *Request {
	r.request.timeout = max(limit, time.Millisecond)
	return r
}

// Redirects follows up to most redirects: GET and HEAD only, and never more than the grant allows. Otherwise the
// redirect itself is the response.
func (r *Request) Redirects(most int) *Request {
	r.request.maxRedirects = uint32(min(max(most, 0), 1<<16))
	return r
}

// Send sends the request and waits for the whole response.
//
// It fails if there is no response; the kind of the [Error] says why. A response of status 400 or above is not an error,
// unless [Response.ErrorForStatus] makes it one.
func (r *Request) Send(ctx context.Context) (*Response, error) {
	if r.problem != nil {
		return nil, r.problem
	}
	sent := r.request
	what := whatOf(sent)
	limit, err := timeLimit(ctx)
	if err != nil {
		return nil, Errorf("%s: %w", what, err)
	}
	if limit > 0 && (sent.timeout == 0 || limit < sent.timeout) {
		sent.timeout = limit
	}
	if refused := textual(append(sent.headers.texts(), sent.connection, sent.method, sent.url)...); refused != nil {
		return nil, refused.error(valid(what))
	}
	response, refused := hostSend(sent)
	if refused != nil {
		return nil, refused.error(what)
	}
	response.what = what
	return response, nil
}

// whatOf is what a request is, for a message: never its query, which may hold what is nobody's business.
func whatOf(r request) string {
	path := r.url
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		path = path[:end]
	}
	if r.absolute {
		return r.method + " " + path
	}
	return r.method + " " + r.connection + " " + path
}

// escape percent-encodes for a query or a form: all but the characters that mean nothing there.
func escape(text string) string {
	const digits = "0123456789ABCDEF"
	var escaped strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			escaped.WriteByte(c)
		default:
			escaped.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return escaped.String()
}

// refusal is why the host did not do what it was asked.
type refusal struct {
	kind Kind
	text string
	// code is a database's SQLSTATE.
	code string
}

// error makes an error of it; what, unless it is empty, says what was asked.
func (r *refusal) error(what string) *Error {
	text := r.text
	if what != "" {
		text = what + ": " + text
	}
	if r.kind == Database {
		return newDatabaseError(r.code, text)
	}
	return newError(r.kind, text)
}
