package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
	// Has net/http's own client call through the host.
	_ "github.com/jackfield/jackfield/sdk/go/httpclient"
)

func everyByte() []byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return all
}

// statuses sends requests one after the other.
func statuses(ctx context.Context, requests ...*jackfield.Request) (any, error) {
	answered := []int{}
	for _, request := range requests {
		response, err := request.Send(ctx)
		if err != nil {
			return nil, err
		}
		answered = append(answered, response.Status)
	}
	return answered, nil
}

func httpMethods(ctx context.Context, _ event) (any, error) {
	return statuses(ctx,
		jackfield.HTTP.Get("outside", "/things/1"),
		jackfield.HTTP.Head("outside", "/things/1"),
		jackfield.HTTP.Post("outside", "/things").Body([]byte("made")),
		jackfield.HTTP.Put("outside", "/things/1").Body([]byte("put")),
		jackfield.HTTP.Patch("outside", "/things/1").Body([]byte("patched")),
		jackfield.HTTP.Delete("outside", "/things/1"),
		jackfield.HTTP.Request("OPTIONS", "outside", "/things/1"),
	)
}

type base struct{ Base string }

func httpURL(ctx context.Context, event event) (any, error) {
	to, err := arguments[base](event)
	if err != nil {
		return nil, err
	}
	answered, err := statuses(ctx,
		jackfield.HTTP.GetURL(to.Base+"/a?b=c"),
		jackfield.HTTP.PostURL(to.Base+"/a").JSON(map[string]string{"by": "url"}),
		jackfield.HTTP.RequestURL("PUT", to.Base+"/a").Body([]byte("x")),
	)
	if err != nil {
		return nil, err
	}
	elsewhere := failed(jackfield.HTTP.GetURL("http://elsewhere.example/").Send(ctx))
	all := []any{}
	for _, status := range answered.([]int) {
		all = append(all, status)
	}
	return append(all, elsewhere), nil
}

func httpHeaders(ctx context.Context, _ event) (any, error) {
	request := jackfield.HTTP.Get("outside", "/headers")
	response, err := request.Header("X-One", "1").Header("x-two", "a").Header("x-two", "b").Send(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"one":  response.Header("X-ONE"),
		"many": response.Headers.Values("X-Many"),
		"none": orNull(response.Header("x-none")),
	}, nil
}

func httpQuery(ctx context.Context, _ event) (any, error) {
	request := jackfield.HTTP.Get("outside", "/search?fixed=1").Query("q", "a b&c=d/ü").Query("n", 5)
	response, err := request.Query("yes", true).Query("empty", "").Query("n", 6).Send(ctx)
	if err != nil {
		return nil, err
	}
	return response.Status, nil
}

func httpBodies(ctx context.Context, _ event) (any, error) {
	value := map[string]any{"text": "Zoë \u2603", "list": []any{1, 2.5, nil, true}}
	binary := jackfield.HTTP.Post("outside", "/bytes").Header("content-type", "application/octet-stream")
	return statuses(ctx,
		jackfield.HTTP.Post("outside", "/json").JSON(value),
		jackfield.HTTP.Post("outside", "/text").Header("content-type", "text/plain").Body([]byte("Zoë")),
		binary.Body(everyByte()),
		jackfield.HTTP.Post("outside", "/form").Form(jackfield.Attribute{Name: "a", Value: "1 2"}, jackfield.Attribute{Name: "b", Value: "ü&"}),
		jackfield.HTTP.Put("outside", "/own").Header("Content-Type", "application/vnd.acme+json").JSON([]int{1}),
		jackfield.HTTP.Post("outside", "/nothing"),
	)
}

// httpFiles sends a form with files, as the standard library makes it.
func httpFiles(ctx context.Context, _ event) (any, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("note", "Zoë \u2603"); err != nil {
		return nil, err
	}
	report, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("report", "Zoë.csv")},
		"Content-Type":        {"text/csv"},
	})
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(report, "a;b\r\n1;\u2603\r\n"); err != nil {
		return nil, err
	}
	raw, err := form.CreateFormFile("raw", "x")
	if err != nil {
		return nil, err
	}
	if _, err := raw.Write([]byte{0, 1, 13, 10, 45, 45}); err != nil {
		return nil, err
	}
	if err := form.Close(); err != nil {
		return nil, err
	}
	request := jackfield.HTTP.Post("outside", "/files").Header("content-type", form.FormDataContentType())
	response, err := request.Body(body.Bytes()).Send(ctx)
	if err != nil {
		return nil, err
	}
	if jackfield.Run().Attempt == 1 {
		return nil, jackfield.Errorf("the first attempt ends here")
	}
	return response.Status, nil
}

func httpAnswers(ctx context.Context, _ event) (any, error) {
	got := map[string]*jackfield.Response{}
	for _, name := range []string{"bytes", "empty", "json", "text", "broken", "zipped"} {
		response, err := jackfield.HTTP.Get("outside", "/"+name).Send(ctx)
		if err != nil {
			return nil, err
		}
		got[name] = response
	}
	var value any
	if err := got["json"].JSON(&value); err != nil {
		return nil, err
	}
	var nothing *int
	if err := got["empty"].JSON(&nothing); err != nil {
		return nil, err
	}
	sum := 0
	for _, b := range got["bytes"].Body {
		sum += int(b)
	}
	return map[string]any{
		"json":    value,
		"text":    got["text"].Text(),
		"bytes":   sum,
		"length":  len(got["bytes"].Body),
		"broken":  got["broken"].Text(),
		"zipped":  got["zipped"].Text(),
		"empty":   []int{len(got["empty"].Text()), len(got["empty"].Body)},
		"nothing": nothing,
	}, nil
}

func httpStatuses(ctx context.Context, _ event) (any, error) {
	answered := []any{}
	for _, status := range []int{200, 204, 301, 400, 404, 418, 422, 500} {
		response, err := jackfield.HTTP.Get("outside", fmt.Sprintf("/status/%d", status)).Send(ctx)
		if err != nil {
			return nil, err
		}
		answered = append(answered, []any{response.Status, response.IsSuccess()})
	}
	return answered, nil
}

func httpErrorForStatus(ctx context.Context, event event) (any, error) {
	to, err := arguments[struct{ Path string }](event)
	if err != nil {
		return nil, err
	}
	response, err := jackfield.HTTP.Get("outside", to.Path).Send(ctx)
	if err != nil {
		return nil, err
	}
	if err := response.ErrorForStatus(); err != nil {
		return nil, err
	}
	return response.Status, nil
}

func httpRedirects(ctx context.Context, _ event) (any, error) {
	itself, err := jackfield.HTTP.Get("outside", "/old").Send(ctx)
	if err != nil {
		return nil, err
	}
	followed, err := jackfield.HTTP.Get("outside", "/old").Redirects(2).Send(ctx)
	if err != nil {
		return nil, err
	}
	return []any{itself.Status, itself.Header("location"), followed.Status, followed.Text()}, nil
}

// caught tells of a call that is to fail, or fails with it.
func caught(ctx context.Context, event event, request *jackfield.Request) (any, error) {
	how, err := arguments[struct{ Caught bool }](event)
	if err != nil {
		return nil, err
	}
	_, err = request.Send(ctx)
	if !how.Caught {
		return nil, err
	}
	return told(err), nil
}

func httpTimeout(ctx context.Context, event event) (any, error) {
	return caught(ctx, event, jackfield.HTTP.Get("outside", "/silence").Timeout(300*time.Millisecond))
}

func httpInDoubt(ctx context.Context, event event) (any, error) {
	return caught(ctx, event, jackfield.HTTP.Post("outside", "/orders").JSON(map[string]int{"order": 7}))
}

func httpUnavailable(ctx context.Context, event event) (any, error) {
	return caught(ctx, event, jackfield.HTTP.Get("closed", "/"))
}

func httpDenied(ctx context.Context, event event) (any, error) {
	return caught(ctx, event, jackfield.HTTP.Post("outside", "/open/1"))
}

func httpTooLarge(ctx context.Context, _ event) (any, error) {
	return []any{
		failed(jackfield.HTTP.Post("outside", "/").Body(bytes.Repeat([]byte("x"), 65_537)).Send(ctx)),
		failed(jackfield.HTTP.Get("outside", "/bytes/65537").Send(ctx)),
		failed(jackfield.HTTP.Post("outside", "/").Body(bytes.Repeat([]byte("x"), 65_536)).Send(ctx)),
	}, nil
}

func httpInvalid(ctx context.Context, _ event) (any, error) {
	answered := []any{}
	for _, request := range []*jackfield.Request{
		jackfield.HTTP.Request("get", "outside", "/"),
		jackfield.HTTP.Request("CONNECT", "outside", "/"),
		jackfield.HTTP.Get("outside", "no/slash"),
		jackfield.HTTP.Get("outside", "/a b"),
		jackfield.HTTP.Get("outside", "/../.."),
		jackfield.HTTP.Get("outside", "/").Header("Host", "example.com"),
		jackfield.HTTP.Get("outside", "/").Header("bad name", "1"),
		jackfield.HTTP.Get("outside", "/").Header("x-bad", "1\n2"),
		jackfield.HTTP.GetURL("ftp://example.com/"),
	} {
		answered = append(answered, failed(request.Send(ctx)))
	}
	return answered, nil
}

func httpUnfit(ctx context.Context, _ event) (any, error) {
	text, err := jackfield.HTTP.Get("outside", "/text").Send(ctx)
	if err != nil {
		return nil, err
	}
	other, err := jackfield.HTTP.Get("outside", "/other").Send(ctx)
	if err != nil {
		return nil, err
	}
	var value any
	var numbered struct{ Number int }
	var raw []byte
	return []any{told(text.JSON(&value)), told(other.JSON(&numbered)), told(text.JSON(&raw))}, nil
}

func httpOnce(ctx context.Context, _ event) (any, error) {
	response, err := jackfield.HTTP.Post("outside", "/orders").JSON(map[string]int{"order": 8}).Send(ctx)
	if err != nil {
		return nil, err
	}
	if jackfield.Run().Attempt == 1 {
		return nil, jackfield.Errorf("the first attempt ends here")
	}
	return json.RawMessage(response.Body), nil
}

// httpOwn is the client of the standard library.
func httpOwn(ctx context.Context, event event) (any, error) {
	to, err := arguments[base](event)
	if err != nil {
		return nil, err
	}
	got, err := http.Get(to.Base + "/a?b=c")
	if err != nil {
		return nil, err
	}
	read, err := io.ReadAll(got.Body)
	if err != nil {
		return nil, err
	}
	posted, err := http.Post(to.Base+"/a", "application/json", bytes.NewReader([]byte(`{"by":"its own client"}`)))
	if err != nil {
		return nil, err
	}
	missing, err := http.Get(to.Base + "/status/404")
	if err != nil {
		return nil, err
	}
	_, refused := http.Get("http://elsewhere.example/")
	return []any{got.StatusCode, json.RawMessage(read), posted.StatusCode, missing.StatusCode, refused != nil}, nil
}
