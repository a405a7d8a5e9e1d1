package jackfield

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

type soapCase struct {
	Name   string
	Status int
	Body   string
	Answer *struct {
		Body, Header string
		Texts        map[string][]string
	}
	Fault *struct {
		Code, Reason, Detail, Message string
		Retryable                     bool
	}
	Error, Message string
}

func soapCases(t *testing.T) []soapCase {
	t.Helper()
	data, err := os.ReadFile("../../tests/soap/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Answers []soapCase }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all.Answers
}

func askSOAP(t *testing.T, status int, body string, call SOAPCall) (*SOAPAnswer, request, error) {
	t.Helper()
	var sent request
	fake(t).send = func(asked request) (*Response, *refusal) {
		sent = asked
		return &Response{Status: status, Body: []byte(body)}, nil
	}
	answer, err := SOAP(t.Context(), "crm", "/ws?wsdl", call)
	return answer, sent, err
}

func TestEveryAnswerOfSOAPIsWhatItIsInEveryLanguage(t *testing.T) {
	for _, c := range soapCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			answer, _, err := askSOAP(t, c.Status, c.Body, SOAPCall{Body: "<a/>"})
			if c.Answer != nil {
				equal(t, err, nil)
				equal(t, answer.Body, c.Answer.Body)
				equal(t, answer.Header, c.Answer.Header)
				for name, texts := range c.Answer.Texts {
					equal(t, slices.Equal(answer.Texts(name), texts), true)
				}
				return
			}
			var known *Error
			if !errors.As(err, &known) {
				t.Fatal(answer, err)
			}
			if c.Fault != nil {
				equal(t, errors.Is(err, SOAPFault), true)
				equal(t, *known.Fault(), Fault{c.Fault.Code, c.Fault.Reason, c.Fault.Detail})
				equal(t, known.Error(), c.Fault.Message)
				equal(t, known.IsRetryable(), c.Fault.Retryable)
				return
			}
			equal(t, known.Name(), c.Error)
			if !strings.HasPrefix(known.Error(), c.Message) {
				t.Error(known.Error())
			}
		})
	}
}

func TestAnEnvelopeIsSentWithTheHeadersOfItsVersion(t *testing.T) {
	type order struct {
		XMLName xml.Name `xml:"urn:orders GetOrder"`
		ID      int      `xml:"id"`
		Name    string   `xml:"name"`
	}
	empty := soapCases(t)[2].Body
	_, sent, err := askSOAP(t, 200, empty, SOAPCall{
		Body: order{ID: 7, Name: "a<b>&"}, Action: `urn:"get"`, Header: "<h/>", Timeout: 5 * time.Millisecond,
		Headers: Attributes{{"x-a", "1"}},
	})
	equal(t, err, nil)
	equal(t, string(sent.body), `<?xml version="1.0" encoding="utf-8"?>`+
		`<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header><h/></soap:Header><soap:Body>`+
		`<GetOrder xmlns="urn:orders"><id>7</id><name>a&lt;b&gt;&amp;</name></GetOrder></soap:Body></soap:Envelope>`)
	wanted := Attributes{{"x-a", "1"}, {"content-type", "text/xml; charset=utf-8"}, {"soapaction", `"urn:\"get\""`}}
	equal(t, slices.Equal(sent.headers, wanted), true)
	equal(t, sent.timeout, 5*time.Millisecond)
	_, sent, _ = askSOAP(t, 200, empty, SOAPCall{Body: "<a/>", Action: "urn:get", Version: "1.2"})
	equal(t, sent.headers.Get("content-type"), `application/soap+xml; charset=utf-8; action="urn:get"`)
	_, sent, _ = askSOAP(t, 200, empty, SOAPCall{Body: "<a/>"})
	equal(t, sent.headers.Get("soapaction"), `""`)
	for _, call := range []SOAPCall{{Body: "", Version: "1.3"}, {Body: make(chan int)}} {
		_, _, err := askSOAP(t, 200, empty, call)
		equal(t, errors.Is(err, Invalid), true)
	}
}

func TestABodyIsReadByTheRulesOfXML(t *testing.T) {
	answer, _, err := askSOAP(t, 200, soapCases(t)[0].Body, SOAPCall{Body: ""})
	equal(t, err, nil)
	var order struct {
		ID    int      `xml:"urn:orders Id"`
		Items []string `xml:"Item"`
	}
	equal(t, answer.XML(&order), nil)
	equal(t, order.ID, 7)
	equal(t, order.Items[1], "<c>")
	equal(t, answer.Text("Id"), "7")
	equal(t, answer.Text("Missing"), "")
	equal(t, told(t, answer.XML(new(struct{ Item int }))).name, "answer")
}

func TestWhatIsNestedTooDeepIsTold(t *testing.T) {
	for _, body := range []string{strings.Repeat("<a>", 100_000), "<a " + strings.Repeat(" ", 100_000), "<a/>\xff"} {
		_, _, err := askSOAP(t, 200, body, SOAPCall{Body: ""})
		equal(t, told(t, err).name, "answer")
	}
}
