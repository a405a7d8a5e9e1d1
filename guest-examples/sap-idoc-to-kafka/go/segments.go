package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The lengths of records in characters: the control record, a data record, and what stands in front of its data.
const (
	controlLength = 524
	recordLength  = 1063
	headerLength  = 63
)

// field is a field of a record: it follows the one before.
type field struct {
	name   string
	length int
}

var (
	controlRecord = fields("TABNAM 10, MANDT 3, DOCNUM 16, DOCREL 4, STATUS 2, DIRECT 1, OUTMOD 1, EXPRSS 1, TEST 1, " +
		"IDOCTYP 30, CIMTYP 30, MESTYP 30, MESCOD 3, MESFCT 3, STD 1, STDVRS 6, STDMES 6, SNDPOR 10, SNDPRT 2, SNDPFC 2, " +
		"SNDPRN 10, SNDSAD 21, SNDLAD 70, RCVPOR 10, RCVPRT 2, RCVPFC 2, RCVPRN 10, RCVSAD 21, RCVLAD 70, CREDAT 8, " +
		"CRETIM 6, REFINT 14, REFGRP 14, REFMES 14, ARCKEY 70, SERIAL 20")
	dataRecord = fields("SEGNAM 30, MANDT 3, DOCNUM 16, SEGNUM 6, PSGNUM 6, HLEVEL 2, SDATA 1000")
)

// kind is a type of segment: the one below which it stands ("" for the IDoc itself), and the fields that are read here.
// Later versions of a segment have more fields, behind these.
type kind struct {
	below  string
	fields []field
}

// kinds are the segments of the basic type ORDERS05.
var kinds = map[string]kind{
	"E1EDK01": {"", fields("ACTION 3, KZABS 1, CURCY 3, HWAER 3, WKURS 12, ZTERM 17, KUNDEUINR 20, EIGENUINR 20, " +
		"BSART 4, BELNR 35")},
	"E1EDK14": {"", fields("QUALF 3, ORGID 35")},
	"E1EDK03": {"", fields("IDDAT 3, DATUM 8, UZEIT 6")},
	"E1EDKA1": {"", fields("PARVW 3, PARTN 17, LIFNR 17, NAME1 35, NAME2 35, NAME3 35, NAME4 35, STRAS 35, STRS2 35, " +
		"PFACH 35, ORT01 35, COUNC 9, PSTLZ 9, PSTL2 9, LAND1 3")},
	"E1EDK02": {"", fields("QUALF 3, BELNR 35, POSNR 6, DATUM 8, UZEIT 6")},
	"E1EDKT1": {"", fields("TDID 4, TSSPRAS 3, TSSPRAS_ISO 2, TDOBJECT 10, TDOBNAME 70")},
	"E1EDKT2": {"E1EDKT1", fields("TDLINE 70, TDFORMAT 2")},
	"E1EDP01": {"", fields("POSEX 6, ACTION 3, PSTYP 1, KZABS 1, MENGE 15, MENEE 3, BMNG2 15, PMENE 3, ABFTZ 7, " +
		"VPREI 15, PEINH 9, NETWR 18")},
	"E1EDP20": {"E1EDP01", fields("WMENG 15, AMENG 15, EDATU 8, EZEIT 6")},
	"E1EDP19": {"E1EDP01", fields("QUALF 3, IDTNR 35, KTEXT 70")},
	"E1EDPT1": {"E1EDP01", fields("TDID 4, TSSPRAS 3, TSSPRAS_ISO 2")},
	"E1EDPT2": {"E1EDPT1", fields("TDLINE 70, TDFORMAT 2")},
	"E1EDS01": {"", fields("SUMID 3, SUMME 18, SUNIT 3, WAERQ 3")},

	// What may be there, and is not read.
	"E1EDK04": {}, "E1EDK05": {}, "E1EDKA3": {below: "E1EDKA1"}, "E1EDK17": {}, "E1EDK18": {}, "E1EDK35": {}, "E1EDK36": {},
	"E1EDP02": {below: "E1EDP01"}, "E1CUREF": {below: "E1EDP01"}, "E1ADDI1": {below: "E1EDP01"}, "E1EDP03": {below: "E1EDP01"},
	"E1EDP04": {below: "E1EDP01"}, "E1EDP05": {below: "E1EDP01"}, "E1EDPS5": {below: "E1EDP05"}, "E1EDPA1": {below: "E1EDP01"},
	"E1EDPA3": {below: "E1EDPA1"}, "E1EDPAD": {below: "E1EDP01"}, "E1TXTH1": {below: "E1EDPAD"}, "E1TXTP1": {below: "E1TXTH1"},
	"E1EDP17": {below: "E1EDP01"}, "E1EDP18": {below: "E1EDP01"}, "E1EDP35": {below: "E1EDP01"}, "E1EDC01": {below: "E1EDP01"},
	"E1EDC02": {below: "E1EDC01"}, "E1EDC03": {below: "E1EDC01"}, "E1EDC04": {below: "E1EDC01"}, "E1EDC05": {below: "E1EDC01"},
	"E1EDC06": {below: "E1EDC01"}, "E1EDC07": {below: "E1EDC01"}, "E1EDCA1": {below: "E1EDC01"}, "E1EDC19": {below: "E1EDC01"},
	"E1EDC17": {below: "E1EDC01"}, "E1EDC18": {below: "E1EDC01"}, "E1EDCT1": {below: "E1EDC01"}, "E1EDCT2": {below: "E1EDCT1"},
	"E1CUCFG": {}, "E1CUINS": {below: "E1CUCFG"}, "E1CUPRT": {below: "E1CUCFG"}, "E1CUVAL": {below: "E1CUCFG"},
	"E1CUBLB": {below: "E1CUCFG"}, "E1EDL37": {}, "E1EDL39": {below: "E1EDL37"}, "E1EDL38": {below: "E1EDL37"},
	"E1EDL44": {below: "E1EDL37"},
}

// segment is a segment of an IDoc.
type segment struct {
	// name is its type, such as E1EDP01; place says where it is, for people.
	name, place string
	fields      map[string]string
	children    []*segment
}

// all gives the segments of a type among these.
func all(segments []*segment, name string) []*segment {
	var found []*segment
	for _, segment := range segments {
		if segment.name == name {
			found = append(found, segment)
		}
	}
	return found
}

// version is what the name of a segment's definition has at its end, but for the first.
var version = regexp.MustCompile(`\d{3}$`)

// typeOf is the type of a segment, by the name of its definition: E2EDK01005 is the fifth version of E1EDK01.
func typeOf(definition string) (string, bool) {
	name := definition
	if rest, isDefinition := strings.CutPrefix(definition, "E2"); isDefinition {
		name = "E1" + rest
	}
	if _, known := kinds[name]; !known {
		name = version.ReplaceAllString(name, "")
	}
	_, known := kinds[name]
	return name, known
}

// standsBelow says whether a segment may stand below another; "" is the IDoc itself.
func standsBelow(name, parent string) error {
	wanted := kinds[name].below
	switch {
	case wanted == parent:
		return nil
	case wanted == "":
		return fmt.Errorf("it stands below %s, and should below none", parent)
	case parent == "":
		return fmt.Errorf("it stands below no segment, and should below %s", wanted)
	}
	return fmt.Errorf("it stands below %s, and should below %s", parent, wanted)
}

// cut gives the fields of a record, without the blanks behind them. Of a record that ends early the rest is blank.
func cut(record []rune, layout []field) map[string]string {
	values := make(map[string]string, len(layout))
	for _, field := range layout {
		length := min(field.length, len(record))
		values[field.name] = strings.TrimRight(string(record[:length]), " ")
		record = record[length:]
	}
	return values
}

// fields reads a layout: names and lengths.
func fields(layout string) []field {
	var read []field
	for _, part := range strings.Split(layout, ", ") {
		name, length, _ := strings.Cut(part, " ")
		characters, err := strconv.Atoi(length)
		if err != nil {
			panic(fmt.Sprintf("%q is no field and its length", part))
		}
		read = append(read, field{name, characters})
	}
	return read
}
