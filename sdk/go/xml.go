package jackfield

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// element is an element of XML, with its places in the source.
type element struct {
	// name as it is written, and without its prefix.
	name, local string
	namespace   string
	// scope is the namespaces by their prefixes, as far as they are known here; that without a prefix under "".
	scope map[string]string
	// declares are the prefixes that it declares itself.
	declares []string
	children []*element
	// text is that in it, without that of its children.
	text strings.Builder
	// Where it and its content begin and end, and where its name does in the begin tag.
	begins, nameEnds, innerBegins, innerEnds, ends int64
}

const deepestXML = 200

// parseXML gives the element that a document consists of. Types of documents are not read, nor entities but the five
// that XML has of its own.
func parseXML(source []byte) (*element, error) {
	wrong := func(what string, at int64) error {
		return fmt.Errorf("it is not XML that is read here: %s, at byte %d", what, at)
	}
	decoder := xml.NewDecoder(bytes.NewReader(source))
	var root *element
	var open []*element
	for {
		at := decoder.InputOffset()
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, wrong(strings.TrimPrefix(err.Error(), "XML "), at)
		}
		switch token := token.(type) {
		case xml.Directive:
			return nil, wrong("it declares a type of documents, which is not read", at)
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text.Write(token)
			} else if len(bytes.Trim(token, " \t\r\n\uFEFF")) > 0 {
				return nil, wrong("there is text outside of the element", at)
			}
		case xml.StartElement:
			begun, err := begin(token, open, at, decoder.InputOffset())
			if err != nil {
				return nil, wrong(err.Error(), at)
			}
			switch {
			case len(open) > 0:
				inner := open[len(open)-1]
				inner.children = append(inner.children, begun)
			case root != nil:
				return nil, wrong("there is a second element", at)
			default:
				root = begun
			}
			if open = append(open, begun); len(open) > deepestXML {
				return nil, wrong(fmt.Sprintf("it is nested deeper than %d", deepestXML), at)
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].name != written(token.Name) {
				return nil, wrong(fmt.Sprintf("`</%s>` ends nothing", written(token.Name)), at)
			}
			ended := open[len(open)-1]
			open = open[:len(open)-1]
			ended.innerEnds, ended.ends = at, decoder.InputOffset()
		}
	}
	if len(open) > 0 {
		return nil, wrong(fmt.Sprintf("`%s` does not end", open[len(open)-1].name), open[len(open)-1].begins)
	}
	if root == nil {
		return nil, wrong("there is no element", 0)
	}
	return root, nil
}

func begin(token xml.StartElement, open []*element, from, to int64) (*element, error) {
	scope := map[string]string{"xml": "http://www.w3.org/XML/1998/namespace"}
	if len(open) > 0 {
		scope = open[len(open)-1].scope
	}
	begun := &element{name: written(token.Name), local: token.Name.Local, begins: from, innerBegins: to, ends: to}
	begun.nameEnds = from + 1 + int64(len(begun.name))
	for _, attribute := range token.Attr {
		prefix := attribute.Name.Local
		if attribute.Name.Space != "xmlns" {
			if attribute.Name.Space != "" || prefix != "xmlns" {
				continue
			}
			prefix = ""
		}
		if len(begun.declares) == 0 {
			scope = maps.Clone(scope)
		}
		begun.declares = append(begun.declares, prefix)
		scope[prefix] = attribute.Value
	}
	namespace, known := scope[token.Name.Space]
	if !known && token.Name.Space != "" {
		return nil, fmt.Errorf("the prefix `%s` is not declared", token.Name.Space)
	}
	begun.scope, begun.namespace = scope, namespace
	return begun, nil
}

func written(name xml.Name) string {
	if name.Space == "" {
		return name.Local
	}
	return name.Space + ":" + name.Local
}

// alone is an element as a document of its own: the prefixes that are declared around it are declared by itself.
func (e *element) alone(source []byte) string {
	var declarations strings.Builder
	for _, prefix := range slices.Sorted(maps.Keys(e.scope)) {
		namespace := e.scope[prefix]
		if prefix == "xml" || slices.Contains(e.declares, prefix) || prefix == "" && namespace == "" {
			continue
		}
		colon := ""
		if prefix != "" {
			if !bytes.Contains(source[e.begins:e.ends], []byte(prefix+":")) {
				continue
			}
			colon = ":"
		}
		fmt.Fprintf(&declarations, ` xmlns%s%s="%s"`, colon, prefix, xmlText(namespace))
	}
	return string(source[e.begins:e.nameEnds]) + declarations.String() + string(source[e.nameEnds:e.ends])
}

// content is what is in it: its elements, or else its text.
func (e *element) content(source []byte) string {
	if len(e.children) == 0 {
		return strings.TrimSpace(string(source[e.innerBegins:max(e.innerBegins, e.innerEnds)]))
	}
	var all strings.Builder
	for _, child := range e.children {
		all.WriteString(child.alone(source))
	}
	return all.String()
}

// allText is all text in it, in order of its elements.
func (e *element) allText() string {
	text := e.text.String()
	for _, child := range e.children {
		text += child.allText()
	}
	return text
}

// find gives the elements below it that are called so, whatever their prefixes.
func (e *element) find(local string) []*element {
	var found []*element
	for _, child := range e.children {
		if child.local == local {
			found = append(found, child)
		}
		found = append(found, child.find(local)...)
	}
	return found
}

// child gives the first element in it that has one of these names; nil if there is none.
func (e *element) child(names ...string) *element {
	if e == nil {
		return nil
	}
	for _, child := range e.children {
		if slices.Contains(names, child.local) {
			return child
		}
	}
	return nil
}

// xmlText is text as XML has it, in content and in attributes.
func xmlText(text string) string {
	var escaped strings.Builder
	// Writing to a builder cannot fail.
	_ = xml.EscapeText(&escaped, []byte(text))
	return escaped.String()
}
