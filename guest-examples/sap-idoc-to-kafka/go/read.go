package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// readFlat reads an IDoc from its records: the fields of the control record, and the segments that stand below none.
func readFlat(text string) (map[string]string, []*segment, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	control := cut([]rune(lines[0]), controlRecord)
	var top []*segment
	known := map[string]*segment{}
	for _, line := range lines[1:] {
		record := cut([]rune(line), dataRecord)
		number := record["SEGNUM"]
		name, ok := typeOf(record["SEGNAM"])
		place := fmt.Sprintf("segment %s %s", number, name)
		switch {
		case !ok:
			return nil, nil, fmt.Errorf("segment %s: ORDERS05 has no %q", number, record["SEGNAM"])
		case record["DOCNUM"] != control["DOCNUM"]:
			return nil, nil, fmt.Errorf("%s: it is of IDoc %q", place, record["DOCNUM"])
		case known[number] != nil:
			return nil, nil, fmt.Errorf("%s: the number is that of an earlier one", place)
		}
		read := &segment{name: name, place: place, fields: cut([]rune(record["SDATA"]), kinds[name].fields)}
		known[number] = read
		parent := known[record["PSGNUM"]]
		above := ""
		if parent != nil {
			above = parent.name
		} else if strings.Trim(record["PSGNUM"], "0") != "" {
			return nil, nil, fmt.Errorf("%s: its parent is %q, which is no segment before it", place, record["PSGNUM"])
		}
		if err := standsBelow(name, above); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", place, err)
		}
		if parent == nil {
			top = append(top, read)
		} else {
			parent.children = append(parent.children, read)
		}
	}
	return control, top, nil
}

// node is an element of IDoc XML: a segment, if it has the attribute SEGMENT, else a field.
type node struct {
	XMLName xml.Name
	Segment string `xml:"SEGMENT,attr"`
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// readXML reads an IDoc from its element, like readFlat.
func readXML(text string) (map[string]string, []*segment, error) {
	var idoc node
	if err := xmlOf(text).Decode(&idoc); err != nil {
		return nil, nil, err
	}
	if len(idoc.Nodes) == 0 || idoc.Nodes[0].XMLName.Local != "EDI_DC40" {
		return nil, nil, errors.New("it does not begin with EDI_DC40")
	}
	number := 0
	var read func(nodes []node, parent string) (map[string]string, []*segment, error)
	read = func(nodes []node, parent string) (map[string]string, []*segment, error) {
		fields := map[string]string{}
		var segments []*segment
		for _, node := range nodes {
			if node.Segment == "" {
				fields[node.XMLName.Local] = strings.TrimRight(node.Text, " ")
				continue
			}
			number++
			name, ok := typeOf(node.XMLName.Local)
			place := fmt.Sprintf("segment %06d %s", number, name)
			if !ok {
				return nil, nil, fmt.Errorf("segment %06d: ORDERS05 has no %q", number, node.XMLName.Local)
			}
			if err := standsBelow(name, parent); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", place, err)
			}
			its, children, err := read(node.Nodes, name)
			if err != nil {
				return nil, nil, err
			}
			segments = append(segments, &segment{name: name, place: place, fields: its, children: children})
		}
		return fields, segments, nil
	}
	control, _, err := read(idoc.Nodes[0].Nodes, "")
	if err != nil {
		return nil, nil, err
	}
	_, segments, err := read(idoc.Nodes[1:], "")
	return control, segments, err
}
