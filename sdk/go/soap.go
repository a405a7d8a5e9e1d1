package jackfield

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

var envelopes = map[string]string{
	"1.1": "http://schemas.xmlsoap.org/soap/envelope/",
	"1.2": "http://www.w3.org/2003/05/soap-envelope",
}

// SOAPCall is what is asked by SOAP.
type SOAPCall struct {
	// Body is the body: a string is XML, anything else is written by encoding/xml.
	Body any
	// Header is the header's content: XML.
	Header string
	// Action is what the service calls the action; 1.1 has it in soapaction, 1.2 in the content type.
	Action string
	// Version of SOAP, 1.1 or 1.2; 1.1 if it is "".
	Version string
	// Headers are further headers of the request.
	Headers Attributes
	// Timeout is how long to wait for the whole answer; if it is 0, the connection's own limit holds.
	Timeout time.Duration
}

// SOAPAnswer is a SOAP service's answer.
type SOAPAnswer struct {
	// Response is the HTTP response.
	Response *Response
	// Body is what the body holds: XML, each of its elements with the declarations that it needs.
	Body string
	// Header is what the header holds, likewise; "" if there is none.
	Header string

	body *element
}

// Fault is a SOAP service's own answer that it failed.
type Fault struct {
	// Code, such as soap:Client.
	Code string
	// Reason is its text for people.
	Reason string
	// Detail is what else it says: XML; "" if nothing.
	Detail string
}

// SOAP calls a SOAP service: it POSTs an envelope around the body to a path of a connection, and reads the answer's.
// Needs the grant of an HTTP POST.
//
// It fails with [SOAPFault] if the service says that it failed, [Error.Fault] being what it says; its own faults (Server,
// Receiver) may pass. Any other answer that is no envelope fails with [HTTPStatus], or with an error named answer.
func SOAP(ctx context.Context, connection, path string, call SOAPCall) (*SOAPAnswer, error) {
	version := call.Version
	if version == "" {
		version = "1.1"
	}
	namespace, known := envelopes[version]
	if !known {
		return nil, newError(Invalid, fmt.Sprintf("the version of SOAP is 1.1 or 1.2, not %q", version))
	}
	body, text := call.Body.(string)
	if !text {
		data, err := xml.Marshal(call.Body)
		if err != nil {
			return nil, newError(Invalid, "the body is not XML: "+strings.TrimPrefix(err.Error(), "xml: "))
		}
		body = string(data)
	}
	header := call.Header
	if header != "" {
		header = "<soap:Header>" + header + "</soap:Header>"
	}
	envelope := `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="` + namespace + `">` +
		header + "<soap:Body>" + body + "</soap:Body></soap:Envelope>"
	request := HTTP.Post(connection, path).Body([]byte(envelope))
	for _, header := range call.Headers {
		request.Header(header.Name, header.Value)
	}
	action := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(call.Action) + `"`
	switch {
	case version == "1.1":
		request.Header("content-type", "text/xml; charset=utf-8").Header("soapaction", action)
	case call.Action == "":
		request.Header("content-type", "application/soap+xml; charset=utf-8")
	default:
		request.Header("content-type", "application/soap+xml; charset=utf-8; action="+action)
	}
	if call.Timeout > 0 {
		request.Timeout(call.Timeout)
	}
	response, err := request.Send(ctx)
	if err != nil {
		return nil, err
	}
	return answerOf(response)
}

// Text is that of the body's first element of this name, whatever its prefix and however deep; "" if there is none.
func (a *SOAPAnswer) Text(name string) string {
	for _, text := range a.Texts(name) {
		return text
	}
	return ""
}

// Texts are those of all elements of this name.
func (a *SOAPAnswer) Texts(name string) []string {
	var texts []string
	for _, found := range a.body.find(name) {
		texts = append(texts, found.allText())
	}
	return texts
}

// XML reads the body's first element into what into points to, by the rules of encoding/xml.
func (a *SOAPAnswer) XML(into any) error {
	if err := xml.Unmarshal([]byte(a.Body), into); err != nil {
		return a.Response.unexpected(err.Error())
	}
	return nil
}

func (r *Response) unexpected(what string) error {
	return newError(Other, r.what+": the answer is not as expected: "+what).Named("answer")
}

func answerOf(response *Response) (*SOAPAnswer, error) {
	source := response.Body
	root, err := parseXML(source)
	problem := "it is no SOAP envelope"
	if err != nil {
		problem = err.Error()
	}
	var body, header *element
	if root != nil && root.local == "Envelope" && (root.namespace == envelopes["1.1"] || root.namespace == envelopes["1.2"]) {
		for _, child := range root.children {
			switch {
			case child.namespace != root.namespace:
			case child.local == "Body" && body == nil:
				body = child
			case child.local == "Header" && header == nil:
				header = child
			}
		}
	}
	if body == nil {
		// Whoever answers so is no service, but perhaps a proxy or a server that is down.
		if err := response.ErrorForStatus(); err != nil {
			return nil, err
		}
		return nil, response.unexpected(problem)
	}
	if fault := body.child("Fault"); fault != nil && fault.namespace == root.namespace {
		return nil, response.fault(source, fault)
	}
	if err := response.ErrorForStatus(); err != nil {
		return nil, err
	}
	answer := &SOAPAnswer{Response: response, Body: body.content(source), body: body}
	if header != nil {
		answer.Header = header.content(source)
	}
	return answer, nil
}

func (r *Response) fault(source []byte, fault *element) error {
	told := new(Fault)
	if code := fault.child("Code").child("Value"); code != nil {
		told.Code = strings.TrimSpace(code.text.String())
	} else if code := fault.child("faultcode"); code != nil {
		told.Code = strings.TrimSpace(code.text.String())
	}
	if reason := fault.child("Reason").child("Text"); reason != nil {
		told.Reason = strings.TrimSpace(reason.allText())
	} else if reason := fault.child("faultstring"); reason != nil {
		told.Reason = strings.TrimSpace(reason.allText())
	}
	if detail := fault.child("Detail", "detail"); detail != nil {
		told.Detail = detail.content(source)
	}
	e := newError(SOAPFault, r.what+": "+told.Code+": "+told.Reason)
	e.fault = told
	local := told.Code[strings.LastIndexByte(told.Code, ':')+1:]
	first, _, _ := strings.Cut(local, ".")
	// The service's fault may pass; the caller's will not.
	e.retryable = first == "Server" || first == "Receiver"
	return e
}
