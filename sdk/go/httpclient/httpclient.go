// Package httpclient lets code that wants an http.Client call other systems through the host.
//
// The URL of a request must lie below a granted connection, whose credential the host then adds, or below a granted URL.
// Importing the package also makes [Transport] what net/http uses by itself, so that http.Get and libraries with clients
// of their own work; with a blank import, if nothing else is wanted:
//
//	import _ "github.com/jackfield/jackfield/sdk/go/httpclient"
//
// net/http makes a component 7 MB larger, and its events twice as slow: jackfield.HTTP does without.
package httpclient

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

func init() {
	http.DefaultTransport = Transport{}
}

// New gives a client that calls through the host.
func New() *http.Client { return &http.Client{Transport: Transport{}} }

// Transport sends requests through the host. Request and response are held in memory, 4 MiB unless the manifest says
// otherwise.
//
// An error that it gives is a *jackfield.Error: errors.Is(err, jackfield.Timeout) and the like work with what the client
// makes of it, and a handler that returns it is tried again or not by its kind.
type Transport struct{}

// RoundTrip sends a request and waits for the whole response. Redirects are the client's to follow: the host checks each.
func (Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	request := jackfield.HTTP.RequestURL(methodOf(r), withoutFragment(r)).Body(body)
	// In an order of their own: a request that is made again must be the same one.
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if own(name) {
			continue
		}
		for _, value := range r.Header[name] {
			request.Header(name, value)
		}
	}
	response, err := request.Send(r.Context())
	if err != nil {
		return nil, err
	}
	return answerOf(r, response), nil
}

// own says whether a header is the host's to set.
func own(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Host", "Connection", "Content-Length", "Transfer-Encoding":
		return true
	}
	return false
}

func methodOf(r *http.Request) string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

func withoutFragment(r *http.Request) string {
	url := *r.URL
	url.Fragment, url.RawFragment = "", ""
	return url.String()
}

func answerOf(r *http.Request, response *jackfield.Response) *http.Response {
	header := make(http.Header, len(response.Headers))
	for _, pair := range response.Headers {
		header.Add(pair.Name, pair.Value)
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", response.Status, http.StatusText(response.Status)),
		StatusCode:    response.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(response.Body)),
		ContentLength: int64(len(response.Body)),
		Request:       r,
	}
}
