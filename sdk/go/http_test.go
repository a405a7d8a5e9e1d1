package jackfield

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// sent gives what the host is asked by a request.
func sent(t *testing.T, r *Request) request {
	t.Helper()
	var asked request
	fake(t).send = func(r request) (*Response, *refusal) {
		asked = r
		return &Response{Status: 200}, nil
	}
	if _, err := r.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	return asked
}

func TestARequestSaysWhatItIsTold(t *testing.T) {
	asked := sent(t, HTTP.Post("github", "/repos/acme/app/issues").
		Query("page", 2).Query("q", "a b&c=ü").Header("accept", "x").JSON(map[string]int{"a": 1}).
		Timeout(1500*time.Microsecond).Redirects(3))
	equal(t, asked.connection, "github")
	equal(t, asked.absolute, false)
	equal(t, asked.method, "POST")
	equal(t, asked.url, "/repos/acme/app/issues?page=2&q=a%20b%26c%3D%C3%BC")
	equal(t, asked.headers.Get("content-type"), "application/json")
	equal(t, string(asked.body), `{"a":1}`)
	equal(t, milliseconds(asked.timeout), 2)
	equal(t, asked.maxRedirects, 3)
}

func TestAContentTypeThatIsSetStays(t *testing.T) {
	asked := sent(t, HTTP.PutURL("https://example.com/a").Header("Content-Type", "application/x+json").JSON(1))
	equal(t, strings.Join(asked.headers.Values("content-type"), ","), "application/x+json")
	equal(t, asked.absolute, true)
}

func TestAFormIsEncoded(t *testing.T) {
	asked := sent(t, HTTP.Post("x", "/").Form(Attribute{"a", "1 2"}, Attribute{"b", "&"}))
	equal(t, string(asked.body), "a=1%202&b=%26")
	equal(t, asked.headers.Get("content-type"), "application/x-www-form-urlencoded")
}

func TestABodyThatIsNoJSONIsToldBySend(t *testing.T) {
	fake(t)
	_, err := HTTP.Post("x", "/").JSON(make(chan int)).Send(t.Context())
	equal(t, errors.Is(err, Invalid), true)
}

func TestAMessageNeverTellsTheQuery(t *testing.T) {
	fake(t).send = func(request) (*Response, *refusal) { return nil, &refusal{kind: Timeout, text: "no answer"} }
	_, err := HTTP.Get("github", "/user").Query("token", "secret").Send(t.Context())
	equal(t, err.Error(), "GET github /user: no answer")
	equal(t, errors.Is(err, Timeout), true)
	_, err = HTTP.GetURL("https://example.com/a?b#c").Send(t.Context())
	equal(t, err.Error(), "GET https://example.com/a: no answer")
}

func TestADeadlineOfTheHandlersOwnLimitsTheCall(t *testing.T) {
	var asked request
	host := fake(t)
	host.send = func(r request) (*Response, *refusal) {
		asked = r
		return &Response{Status: 200}, nil
	}
	host.remaining = func() uint32 { return 60_000 }
	run := new(runContext)
	send := func(ctx context.Context) error {
		_, err := HTTP.Get("x", "/").Send(ctx)
		return err
	}
	equal(t, send(run), nil)
	equal(t, asked.timeout, 0)
	short, cancel := context.WithTimeout(run, time.Second)
	defer cancel()
	equal(t, send(short), nil)
	equal(t, asked.timeout > 0 && asked.timeout <= time.Second, true)
	value := context.WithValue(run, struct{}{}, 1)
	equal(t, send(value), nil)
	equal(t, asked.timeout, 0)
	cancel()
	equal(t, errors.Is(send(short), context.Canceled), true)
}

func TestRefusalsAreFinalAndBreakdownsAreNot(t *testing.T) {
	response := &Response{Status: 422, Body: []byte("{\n  \"message\": \"no\"\n}"), what: "GET github /user"}
	var refused *Error
	equal(t, errors.As(response.ErrorForStatus(), &refused), true)
	equal(t, refused.Error(), `GET github /user: 422: { "message": "no" }`)
	equal(t, refused.Status(), 422)
	equal(t, refused.IsRetryable(), false)
	equal(t, errors.Is(refused, HTTPStatus), true)
	equal(t, errors.As((&Response{Status: 500}).ErrorForStatus(), &refused), true)
	equal(t, refused.IsRetryable(), true)
	equal(t, (&Response{Status: 204}).ErrorForStatus(), nil)
	equal(t, (&Response{Status: 302}).ErrorForStatus() != nil, true)
}

func TestRetryAfterIsHonouredWhereARetryMakesSense(t *testing.T) {
	delay := func(status int, retryAfter, date string) time.Duration {
		headers := Attributes{{"retry-after", retryAfter}, {"date", date}}
		var e *Error
		errors.As((&Response{Status: status, Headers: headers}).ErrorForStatus(), &e)
		return e.Delay()
	}
	date := "Sun, 06 Nov 1994 08:49:37 GMT"
	equal(t, delay(429, "7", ""), 7*time.Second)
	equal(t, delay(503, " 120 ", ""), 2*time.Minute)
	equal(t, delay(503, "Sun, 06 Nov 1994 08:50:37 GMT", date), time.Minute)
	equal(t, delay(503, "Sun, 06 Nov 1994 08:48:37 GMT", date), 0)
	equal(t, delay(503, "Sun, 06 Nov 1994 08:50:37 GMT", ""), 0)
	for _, nonsense := range []string{"", "-1", "soon", "Sun, 99 Foo 1994 08:50:37 GMT", "1e3"} {
		equal(t, delay(503, nonsense, date), 0)
	}
	equal(t, delay(404, "7", ""), 0)
}

func TestAnAnswerThatDoesNotFitIsToldByItsRequest(t *testing.T) {
	var number int
	err := (&Response{Status: 200, Body: []byte(`"x"`), what: "GET github /user"}).JSON(&number)
	equal(t, err.Error(), "GET github /user: the answer is not as expected: it is a JSON string, not a Go int")
	equal(t, failureOf(err).name, "answer")
	equal(t, failureOf(err).retryable, true)
	var bytes []byte
	equal(t, (&Response{Body: []byte("\x00")}).JSON(&bytes), nil)
	equal(t, string(bytes), "\x00")
	equal(t, (&Response{Body: []byte("a\xff")}).Text(), "a\uFFFD")
}

func TestAnExcerptIsShortAndOnOneLine(t *testing.T) {
	equal(t, excerpt([]byte("a\r\n  b")), "a b")
	equal(t, excerpt([]byte{0xff}), "")
	equal(t, len([]rune(excerpt([]byte(strings.Repeat("ä", 500))))), 201)
}
