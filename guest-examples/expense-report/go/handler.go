// Adds up the expenses of a journey, to the cent.
package main

import (
	"context"
	"log/slog"

	jackfield "github.com/jackfield/jackfield/sdk/go"
	"github.com/shopspring/decimal"
)

// report is what somebody hands in. Amounts are texts, or numbers that are read digit by digit: a float64 has no 0.1.
type report struct {
	Journey string `json:"journey"`
	// Rates are what one unit of a currency is in euros.
	Rates    map[string]decimal.Decimal `json:"rates"`
	Expenses []expense                  `json:"expenses"`
}

type expense struct {
	What     string          `json:"what"`
	Amount   decimal.Decimal `json:"amount"`
	Currency string          `json:"currency"`
	// VAT is the rate that is part of the amount, in per cent.
	VAT decimal.Decimal `json:"vat"`
}

// totals is what the books want, in euros.
type totals struct {
	Journey string          `json:"journey"`
	Gross   decimal.Decimal `json:"gross"`
	VAT     decimal.Decimal `json:"vat"`
	Net     decimal.Decimal `json:"net"`
}

func init() { jackfield.Handle(onReport) }

func main() {}

func onReport(ctx context.Context, event jackfield.Event[report]) (*jackfield.Output, error) {
	handedIn := event.Data
	if handedIn.Journey == "" {
		return nil, jackfield.Rejectedf("`journey` is missing")
	}
	sum := totals{Journey: handedIn.Journey}
	hundred := decimal.NewFromInt(100)
	for i, expense := range handedIn.Expenses {
		rate := decimal.NewFromInt(1)
		if expense.Currency != "EUR" {
			known := false
			if rate, known = handedIn.Rates[expense.Currency]; !known {
				return nil, jackfield.Rejectedf("`expenses[%d].currency`: there is no rate of %q", i, expense.Currency)
			}
		}
		if expense.Amount.IsNegative() {
			return nil, jackfield.Rejectedf("`expenses[%d].amount` is below zero", i)
		}
		// Each receipt is rounded by itself, half a cent to the even one, as the books do it.
		gross := expense.Amount.Mul(rate).RoundBank(2)
		vat := gross.Mul(expense.VAT).Div(hundred.Add(expense.VAT)).RoundBank(2)
		sum.Gross, sum.VAT = sum.Gross.Add(gross), sum.VAT.Add(vat)
	}
	sum.Net = sum.Gross.Sub(sum.VAT)
	draft := jackfield.Draft{ID: sum.Journey, Type: "expenses.totalled", Subject: "journeys/" + sum.Journey, Data: sum}
	if _, err := jackfield.Events.Emit(ctx, draft); err != nil {
		return nil, err
	}
	slog.Info("added up", "journey", sum.Journey, "expenses", len(handedIn.Expenses), "gross", sum.Gross)
	return jackfield.JSON(sum)
}
