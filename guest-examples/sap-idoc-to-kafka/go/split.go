package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// idoc is an IDoc as it stands in a file, in UTF-8.
type idoc struct {
	docnum, sender string
	contentType    string
	text           []byte
	// fault is what is wrong with its records; "" if they are whole.
	fault string
}

const (
	flat       = "text/plain; charset=utf-8"
	structured = "application/xml"
)

// pages are the code pages, but for UTF-8.
var pages = map[string]*charmap.Charmap{
	"iso-8859-1": charmap.ISO8859_1, "iso-8859-2": charmap.ISO8859_2, "iso-8859-5": charmap.ISO8859_5,
	"iso-8859-7": charmap.ISO8859_7, "iso-8859-9": charmap.ISO8859_9, "iso-8859-15": charmap.ISO8859_15,
	"windows-1250": charmap.Windows1250, "windows-1251": charmap.Windows1251, "windows-1252": charmap.Windows1252,
}

// declared is the encoding that XML says it is in.
var declared = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=\s*["']([^"']+)["']`)

// split parts a file into its IDocs. It fails if the file as a whole is wrong.
func split(data []byte, how writing) ([]idoc, error) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("<")) {
		return splitXML(data)
	}
	return splitFlat(data, how)
}

// splitFlat parts a flat file: an IDoc begins with each control record.
func splitFlat(data []byte, how writing) ([]idoc, error) {
	decode, err := decoderOf(how.Codepage)
	if err != nil {
		return nil, err
	}
	var idocs []idoc
	for index, line := range bytes.Split(bytes.TrimRight(data, "\r\n"), []byte("\n")) {
		text, fault := decode(bytes.TrimSuffix(line, []byte("\r")))
		isControl := strings.HasPrefix(text, "EDI_DC40")
		if isControl {
			control := cut([]rune(text), controlRecord)
			idocs = append(idocs, idoc{docnum: control["DOCNUM"], sender: control["SNDPRN"], contentType: flat})
		}
		if len(idocs) == 0 {
			return nil, fmt.Errorf("line %d comes before the first control record (EDI_DC40)", index+1)
		}
		last := &idocs[len(idocs)-1]
		if fault == nil {
			fault = whole(text, isControl, how.Trimmed)
		}
		if fault != nil && last.fault == "" {
			last.fault = fmt.Sprintf("line %d of the file: %s", index+1, fault)
		}
		last.text = append(last.text, strings.TrimRight(text, " ")+"\n"...)
	}
	return idocs, nil
}

// whole says whether a record has all its characters.
func whole(record string, isControl, trimmed bool) error {
	least, most := recordLength, recordLength
	if isControl {
		least, most = controlLength, controlLength
	}
	if trimmed {
		least = headerLength
	}
	if length := utf8.RuneCountInString(record); length < least || length > most {
		return fmt.Errorf("the record has %d characters, not %d", length, most)
	}
	return nil
}

// splitXML parts a file of IDoc XML: an IDoc is each element IDOC below the first.
func splitXML(data []byte) ([]idoc, error) {
	codepage := ""
	if found := declared.FindSubmatch(data); found != nil {
		codepage = string(found[1])
	}
	decode, err := decoderOf(codepage)
	if err != nil {
		return nil, err
	}
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	decoder := xmlOf(text)
	var idocs []idoc
	var open []string
	var begins int64
	for {
		at := decoder.InputOffset()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			if len(open) == 2 && token.Name.Local == "IDOC" {
				idocs = append(idocs, idoc{contentType: structured})
				begins = at
			}
		case xml.CharData:
			if len(open) == 4 && open[1] == "IDOC" && open[2] == "EDI_DC40" {
				last := &idocs[len(idocs)-1]
				switch open[3] {
				case "DOCNUM":
					last.docnum = strings.TrimSpace(string(token))
				case "SNDPRN":
					last.sender = strings.TrimSpace(string(token))
				}
			}
		case xml.EndElement:
			if len(open) == 2 && token.Name.Local == "IDOC" {
				idocs[len(idocs)-1].text = []byte(text[begins:decoder.InputOffset()])
			}
			open = open[:len(open)-1]
		}
	}
	if len(idocs) == 0 {
		return nil, errors.New("there is no IDOC in it")
	}
	return idocs, nil
}

// xmlOf reads XML that is in UTF-8 by now, whatever it says.
func xmlOf(text string) *xml.Decoder {
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	return decoder
}

// decoderOf gives what makes UTF-8 of a code page's bytes. With an error it gives the text as far as it can be read.
func decoderOf(codepage string) (func([]byte) (string, error), error) {
	name := strings.ToLower(codepage)
	page, known := pages[name]
	if !known && name != "" && name != "utf-8" {
		return nil, fmt.Errorf("the code page %q is not among those that are known", codepage)
	}
	if page == nil {
		return utf8Of, nil
	}
	return func(data []byte) (string, error) {
		characters := make([]rune, len(data))
		for i, b := range data {
			if characters[i] = page.DecodeByte(b); characters[i] == utf8.RuneError {
				return string(characters[:i]), fmt.Errorf("byte %02X is none of %s", b, name)
			}
		}
		return string(characters), nil
	}, nil
}

func utf8Of(data []byte) (string, error) {
	if !utf8.Valid(data) {
		return strings.ToValidUTF8(string(data), "\uFFFD"), errors.New("it is not UTF-8")
	}
	return string(data), nil
}
