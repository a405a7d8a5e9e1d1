package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

var (
	quantities = regexp.MustCompile(`^\d+(\.\d+)?$`)
	amounts    = regexp.MustCompile(`^(\d+(?:\.\d+)?)(-?)$`)
)

// reader reads the fields of segments; err says what is wrong first.
type reader struct {
	err error
}

// fail keeps what is wrong, if nothing was before.
func (r *reader) fail(format string, arguments ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, arguments...)
	}
}

// wrong says what is wrong with a field.
func (r *reader) wrong(s *segment, name, wanted string) {
	r.fail("%s: %s is %q, not %s", s.place, name, s.fields[name], wanted)
}

// text gives a text that must be there.
func (r *reader) text(s *segment, name string) string {
	text := s.fields[name]
	if text == "" {
		r.wrong(s, name, "a text")
	}
	return text
}

// quantity gives a number that must be there, and is not negative.
func (r *reader) quantity(s *segment, name string) string {
	text := strings.TrimSpace(s.fields[name])
	if !quantities.MatchString(text) {
		r.wrong(s, name, "a quantity such as 12.000")
		return ""
	}
	return exactly(text)
}

// amount gives a number, or nil if there is none. SAP writes the minus behind it: 119.40-.
func (r *reader) amount(s *segment, name string) *string {
	text := strings.TrimSpace(s.fields[name])
	if text == "" {
		return nil
	}
	parts := amounts.FindStringSubmatch(text)
	if parts == nil {
		r.wrong(s, name, "an amount such as 119.40 or 119.40-")
		return nil
	}
	amount := exactly(parts[2] + parts[1])
	return &amount
}

// exactly gives a number with the places that it was written with, and without zeros in front.
func exactly(number string) string {
	// What the patterns let through is a decimal.
	value := decimal.RequireFromString(number)
	return value.StringFixed(-value.Exponent())
}

// date gives a date as 2026-11-03, or nil if there is none: blank, or eight zeros.
func (r *reader) date(s *segment, name string) *string {
	text := strings.TrimSpace(s.fields[name])
	if strings.Trim(text, "0") == "" {
		return nil
	}
	date, err := time.Parse("20060102", text)
	if err != nil {
		r.wrong(s, name, "a date such as 20261103")
		return nil
	}
	written := date.Format(time.DateOnly)
	return &written
}

// or gives a text, or nil if it is blank.
func or(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
