package jackfield

import (
	"errors"
	"testing"
)

func TestAnObjectIsWrittenAsBytesTextOrJSON(t *testing.T) {
	var put Object
	var content string
	fake(t).blobPut = func(connection string, object Object, data []byte) (string, *refusal) {
		equal(t, connection, "invoices")
		put, content = object, string(data)
		return "etag", nil
	}
	for _, c := range []struct {
		data           any
		content, media string
	}{
		{[]byte{0, 255}, "\x00\xff", ""},
		{"Zoë", "Zoë", ""},
		{[]int{1}, "[1]", "application/json"},
	} {
		etag, err := Blob.Put(t.Context(), "invoices", Object{Name: "2026/ü.pdf", Data: c.data})
		equal(t, etag, "etag")
		equal(t, err, nil)
		equal(t, content, c.content)
		equal(t, put.ContentType, c.media)
		equal(t, put.Name, "2026/ü.pdf")
	}
	_, err := Blob.Put(t.Context(), "invoices", Object{Name: "a", Data: make(chan int)})
	equal(t, errors.Is(err, Invalid), true)
}

func TestAnObjectIsReadWholeOrInPart(t *testing.T) {
	var asked *part
	fake(t).blobGet = func(_, name string, part *part) ([]byte, bool, *refusal) {
		asked = part
		return nil, name == "empty", nil
	}
	data, err := Blob.Get(t.Context(), "invoices", "empty")
	equal(t, data != nil && len(data) == 0, true)
	equal(t, err, nil)
	equal(t, asked, nil)
	data, err = Blob.GetRange(t.Context(), "invoices", "none", 1<<40, 7)
	equal(t, data == nil, true)
	equal(t, err, nil)
	equal(t, *asked, part{1 << 40, 7})
	_, err = Blob.GetRange(t.Context(), "invoices", "none", -1, 7)
	equal(t, errors.Is(err, Invalid), true)
	fake(t).blobStat = func(_, name string) (*ObjectInfo, *refusal) { return nil, nil }
	info, err := Blob.Stat(t.Context(), "invoices", "none")
	equal(t, info, nil)
	equal(t, err, nil)
}

func TestObjectsAreListedPageByPage(t *testing.T) {
	pages := 0
	fake(t).blobList = func(_, prefix, cursor string, limit uint32) ([]ObjectInfo, string, *refusal) {
		pages++
		equal(t, limit, 1000)
		if cursor == "" {
			return []ObjectInfo{{Name: "a"}, {Name: "b"}}, "c1", nil
		}
		return []ObjectInfo{{Name: "c"}}, "", nil
	}
	for object, err := range Blob.List(t.Context(), "invoices", "2026/") {
		equal(t, err, nil)
		equal(t, object.Name, "a")
		break
	}
	equal(t, pages, 1)
	names := ""
	for object, err := range Blob.List(t.Context(), "invoices", "") {
		equal(t, err, nil)
		names += object.Name
	}
	equal(t, names, "abc")
	fake(t).blobList = func(string, string, string, uint32) ([]ObjectInfo, string, *refusal) {
		return nil, "", &refusal{kind: Unavailable, text: "x"}
	}
	for _, err := range Blob.List(t.Context(), "invoices", "") {
		equal(t, errors.Is(err, Unavailable), true)
	}
}
