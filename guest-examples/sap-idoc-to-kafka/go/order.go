package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// order is what is published. Numbers are texts, as exact as they came; what is missing is null.
type order struct {
	Docnum    string      `json:"docnum"`
	Message   string      `json:"message"`
	Created   string      `json:"created"`
	Number    string      `json:"number"`
	Type      *string     `json:"type"`
	Customer  string      `json:"customer"`
	Currency  string      `json:"currency"`
	Rate      *string     `json:"rate"`
	Terms     *string     `json:"terms"`
	Areas     []qualified `json:"areas"`
	Dates     []qualified `json:"dates"`
	Documents []document  `json:"documents"`
	Partners  []partner   `json:"partners"`
	Texts     []text      `json:"texts"`
	Items     []item      `json:"items"`
	Net       *string     `json:"net"`
}

// qualified is a value of which a qualifier of SAP's says what it is.
type qualified struct {
	Qualifier string  `json:"qualifier"`
	Value     *string `json:"value"`
}

type document struct {
	Qualifier string  `json:"qualifier"`
	Number    *string `json:"number"`
	Date      *string `json:"date"`
}

type partner struct {
	Role     string   `json:"role"`
	Number   *string  `json:"number"`
	Names    []string `json:"names"`
	Street   *string  `json:"street"`
	City     *string  `json:"city"`
	Postcode *string  `json:"postcode"`
	Country  *string  `json:"country"`
}

type text struct {
	ID       string  `json:"id"`
	Language *string `json:"language"`
	Text     string  `json:"text"`
}

type item struct {
	Position  string      `json:"position"`
	Materials []qualified `json:"materials"`
	Name      *string     `json:"name"`
	Quantity  string      `json:"quantity"`
	Unit      string      `json:"unit"`
	Price     *string     `json:"price"`
	Per       *string     `json:"per"`
	Net       *string     `json:"net"`
	Schedule  []delivery  `json:"schedule"`
	Texts     []text      `json:"texts"`
}

type delivery struct {
	Date     *string `json:"date"`
	Quantity string  `json:"quantity"`
}

// readOrder reads an order from an IDoc, in either form.
func readOrder(idoc, contentType string) (*order, error) {
	read := readFlat
	if contentType == structured {
		read = readXML
	}
	control, segments, err := read(idoc)
	if err != nil {
		return nil, err
	}
	if control["IDOCTYP"] != "ORDERS05" {
		return nil, fmt.Errorf("it is of the type %q, not ORDERS05", control["IDOCTYP"])
	}
	created, err := time.Parse("20060102150405", control["CREDAT"]+control["CRETIM"])
	if err != nil {
		return nil, fmt.Errorf("CREDAT and CRETIM are %q and %q, no date and time", control["CREDAT"], control["CRETIM"])
	}
	heads := all(segments, "E1EDK01")
	if len(heads) != 1 {
		return nil, fmt.Errorf("it has %d segments E1EDK01, not one", len(heads))
	}
	var r reader
	head := heads[0]
	made := &order{
		Docnum:   control["DOCNUM"],
		Message:  control["MESTYP"],
		Created:  created.Format("2006-01-02T15:04:05"),
		Number:   r.text(head, "BELNR"),
		Type:     or(head.fields["BSART"]),
		Currency: r.text(head, "CURCY"),
		Rate:     r.amount(head, "WKURS"),
		Terms:    or(head.fields["ZTERM"]),
		Areas:    []qualified{}, Dates: []qualified{}, Documents: []document{}, Partners: []partner{}, Items: []item{},
		Texts: r.texts(segments, "E1EDKT1", "E1EDKT2"),
	}
	for _, s := range segments {
		switch s.name {
		case "E1EDK14":
			made.Areas = append(made.Areas, qualified{r.text(s, "QUALF"), or(s.fields["ORGID"])})
		case "E1EDK03":
			made.Dates = append(made.Dates, qualified{r.text(s, "IDDAT"), r.date(s, "DATUM")})
		case "E1EDK02":
			made.Documents = append(made.Documents, document{r.text(s, "QUALF"), or(s.fields["BELNR"]), r.date(s, "DATUM")})
		case "E1EDKA1":
			made.Partners = append(made.Partners, r.partner(s))
		case "E1EDP01":
			made.Items = append(made.Items, r.item(s))
		}
	}
	made.Customer = r.customer(made.Partners)
	r.totals(made, all(segments, "E1EDS01"))
	return made, r.err
}

// customer is the number of the one who orders.
func (r *reader) customer(partners []partner) string {
	for _, partner := range partners {
		if partner.Role == "AG" && partner.Number != nil {
			return *partner.Number
		}
	}
	r.fail("it has no partner AG (E1EDKA1) with a number (PARTN)")
	return ""
}

func (r *reader) partner(s *segment) partner {
	names := []string{}
	for _, field := range []string{"NAME1", "NAME2", "NAME3", "NAME4"} {
		if name := s.fields[field]; name != "" {
			names = append(names, name)
		}
	}
	return partner{
		Role: r.text(s, "PARVW"), Number: or(s.fields["PARTN"]), Names: names, Street: or(s.fields["STRAS"]),
		City: or(s.fields["ORT01"]), Postcode: or(s.fields["PSTLZ"]), Country: or(s.fields["LAND1"]),
	}
}

func (r *reader) item(s *segment) item {
	made := item{
		Position: r.text(s, "POSEX"), Quantity: r.quantity(s, "MENGE"), Unit: r.text(s, "MENEE"),
		Price: r.amount(s, "VPREI"), Per: r.amount(s, "PEINH"), Net: r.amount(s, "NETWR"),
		Materials: []qualified{}, Schedule: []delivery{}, Texts: r.texts(s.children, "E1EDPT1", "E1EDPT2"),
	}
	for _, child := range s.children {
		switch child.name {
		case "E1EDP19":
			made.Materials = append(made.Materials, qualified{r.text(child, "QUALF"), or(child.fields["IDTNR"])})
			if made.Name == nil {
				made.Name = or(child.fields["KTEXT"])
			}
		case "E1EDP20":
			made.Schedule = append(made.Schedule, delivery{r.date(child, "EDATU"), r.quantity(child, "WMENG")})
		}
	}
	return made
}

// texts reads texts, each in its language, and puts their lines together.
func (r *reader) texts(segments []*segment, head, line string) []text {
	made := []text{}
	for _, s := range all(segments, head) {
		language := s.fields["TSSPRAS_ISO"]
		if language == "" {
			language = s.fields["TSSPRAS"]
		}
		var written strings.Builder
		for i, child := range all(s.children, line) {
			// SAPscript: `=` goes on with the line before, a blank does so in another word, all else begins a new one.
			switch format := child.fields["TDFORMAT"]; {
			case i == 0 || format == "=":
			case format == "":
				written.WriteString(" ")
			default:
				written.WriteString("\n")
			}
			written.WriteString(child.fields["TDLINE"])
		}
		made = append(made, text{r.text(s, "TDID"), or(language), written.String()})
	}
	return made
}

// totals holds the sums of the IDoc against its items: 001 is how many there are, 002 their net value.
func (r *reader) totals(made *order, sums []*segment) {
	if len(made.Items) == 0 {
		r.fail("it has no item (E1EDP01)")
	}
	net := decimal.Zero
	for _, item := range made.Items {
		if item.Net != nil {
			net = net.Add(decimal.RequireFromString(*item.Net))
		}
	}
	found := map[string]decimal.Decimal{"001": decimal.NewFromInt(int64(len(made.Items))), "002": net}
	for _, s := range sums {
		qualifier, sum := s.fields["SUMID"], r.amount(s, "SUMME")
		expected, known := found[qualifier]
		if !known || sum == nil {
			continue
		}
		if !decimal.RequireFromString(*sum).Equal(expected) {
			r.fail("%s: SUMME %s is %s, and the items come to %s", s.place, qualifier, *sum, expected)
		}
		if qualifier == "002" {
			made.Net = sum
		}
	}
}
