package jackfield

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

type state string

type decimal struct{ units int64 }

func (d decimal) String() string { return big.NewRat(d.units, 100).FloatString(2) }

func (d *decimal) UnmarshalText(text []byte) error {
	number, ok := new(big.Rat).SetString(string(text))
	if !ok {
		return errors.New("no decimal")
	}
	d.units = number.Mul(number, big.NewRat(100, 1)).Num().Int64()
	return nil
}

type order struct {
	ID         int64
	CustomerID *string
	Paid       bool
	Amount     decimal
	Placed     time.Time
	Items      []string
	State      state
	Note       sql.NullString
	Raw        []byte
	Other      any    `sql:"anything"`
	Skipped    string `sql:"-"`
}

func tableOf(columns string, rows ...[]any) *Table {
	table := &Table{Values: rows}
	for _, name := range strings.Fields(columns) {
		table.Columns = append(table.Columns, Column{Name: name, Type: "int8"})
	}
	return table
}

func TestArgumentsBecomeTheValuesTheyAre(t *testing.T) {
	var asked statement
	fake(t).query = func(connection string, s statement) (*Table, *refusal) {
		equal(t, connection, "ledger")
		asked = s
		return tableOf("n"), nil
	}
	when := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	name, nothing := "Zoë \u2603", (*string)(nil)
	_, err := SQL.Query(t.Context(), "ledger", "select $1",
		nil, true, int8(-1), int64(math.MinInt64), uint32(7), uint64(math.MaxUint64), 1.5, float32(0.5), name, &name, nothing,
		[]byte{0, 255}, []byte(nil), state("new"), when, decimal{1250}, &decimal{5}, netip.MustParseAddr("::1"),
		sql.NullString{}, sql.NullString{String: "x", Valid: true}, json.RawMessage(`{"a":1}`), []int{1}, map[string]any{"a": "ü"},
	)
	equal(t, err, nil)
	equal(t, asked.text, "select $1")
	wanted := []any{
		nil, true, int64(-1), int64(math.MinInt64), int64(7), "18446744073709551615", 1.5, 0.5, name, name, nil,
		[]byte{0, 255}, nil, "new", "2026-01-02T03:04:05.0000006Z", "12.50", "0.05", "::1",
		nil, "x", `{"a":1}`, "[1]", `{"a":"ü"}`,
	}
	if !reflect.DeepEqual(asked.arguments, wanted) {
		t.Errorf("found %#v", asked.arguments)
	}
}

func TestWhatNoDatabaseTakesIsToldBeforeItIsSent(t *testing.T) {
	host := fake(t)
	host.query = func(string, statement) (*Table, *refusal) { panic("it was asked") }
	host.sqlBatch = func(string, []step) ([]Change, *refusal) { panic("it was asked") }
	for _, argument := range []any{make(chan int), []any{make(chan int)}, "a\xff", func() {}} {
		_, err := SQL.Query(t.Context(), "ledger", "select", 1, argument)
		equal(t, errors.Is(err, Invalid), true)
	}
	_, err := SQL.Query(t.Context(), "ledger", "select", 1, make(chan int))
	equal(t, err.Error(), "argument 2 is a chan int, which no database takes")
	_, err = SQL.Batch("ledger").Execute("insert", make(chan int)).Execute("update").Commit(t.Context())
	equal(t, errors.Is(err, Invalid), true)
}

func TestRowsBecomeStructsByTheNamesOfTheirColumns(t *testing.T) {
	table := tableOf("id customer_id paid amount placed items state note raw anything Skipped more",
		[]any{int64(math.MaxInt64), "Zoë", true, "12.50", "2026-01-02 03:04:05.5+00", `["a"]`, "new", "x", []byte{0, 255}, 1.5, "s", "m"},
		[]any{int64(math.MinInt64), nil, int64(0), "0", "2026-01-02", nil, "", nil, nil, nil, "s", nil},
	)
	var orders []order
	equal(t, table.Rows(&orders), nil)
	first, second := orders[0], orders[1]
	equal(t, first.ID, math.MaxInt64)
	equal(t, *first.CustomerID, "Zoë")
	equal(t, first.Paid, true)
	equal(t, first.Amount, decimal{1250})
	equal(t, first.Placed.Equal(time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)), true)
	equal(t, first.Items[0], "a")
	equal(t, first.State, "new")
	equal(t, first.Note, sql.NullString{String: "x", Valid: true})
	equal(t, string(first.Raw), "\x00\xff")
	equal(t, first.Other, any(1.5))
	equal(t, first.Skipped, "")
	equal(t, second.ID, math.MinInt64)
	equal(t, second.CustomerID, nil)
	equal(t, second.Note.Valid, false)
	equal(t, second.Items == nil && second.Raw == nil, true)
	equal(t, second.Other, nil)

	var one order
	found, err := table.First(&one)
	equal(t, found, true)
	equal(t, err, nil)
	equal(t, one.ID, first.ID)
	found, err = tableOf("id").First(&one)
	equal(t, found, false)
	equal(t, err, nil)
}

func TestAPlainTypeTakesTheOnlyColumnAndAMapAll(t *testing.T) {
	var counts []uint8
	equal(t, tableOf("n", []any{int64(3)}, []any{int64(255)}).Rows(&counts), nil)
	equal(t, counts[1], 255)
	var maybe []*float64
	equal(t, tableOf("n", []any{nil}, []any{int64(3)}).Rows(&maybe), nil)
	equal(t, maybe[0], nil)
	equal(t, *maybe[1], 3)
	var maps []map[string]any
	equal(t, tableOf("a b", []any{int64(1), nil}).Rows(&maps), nil)
	equal(t, len(maps[0]), 2)
	equal(t, maps[0]["a"], any(int64(1)))
	var at time.Time
	_, err := tableOf("at", []any{"2026-01-02T03:04:05+02:00"}).First(&at)
	equal(t, err, nil)
	equal(t, at.UTC().Hour(), 1)
}

func TestWhatDoesNotFitIsToldByRowAndColumn(t *testing.T) {
	check := func(table *Table, into any, wanted string) {
		t.Helper()
		err := table.Rows(into)
		if err == nil {
			t.Fatal("it fits")
		}
		equal(t, err.Error(), wanted)
		equal(t, told(t, err).name, "answer")
	}
	check(tableOf("n", []any{int64(1)}, []any{"x"}), new([]int), "row 2 is not as expected: column `n` is text, not a Go int")
	check(tableOf("n", []any{int64(256)}), new([]uint8), "row 1 is not as expected: column `n` is 256, which a Go uint8 cannot hold")
	check(tableOf("n", []any{int64(-1)}), new([]uint64), "row 1 is not as expected: column `n` is -1, which a Go uint64 cannot hold")
	check(tableOf("n", []any{int64(2)}), new([]bool), "row 1 is not as expected: column `n` is a number, not a Go bool")
	check(tableOf("n", []any{nil}), new([]string), "row 1 is not as expected: column `n` is null, and a Go string cannot be")
	check(tableOf("n", []any{"12.5"}), new([]float64), "row 1 is not as expected: column `n` is text, not a Go float64")
	check(tableOf("n", []any{"soon"}), new([]time.Time), "row 1 is not as expected: column `n` is no date or time that is known here: read it into a string")
	check(tableOf("items", []any{"{"}), new([]order), "row 1 is not as expected: column `items` does not fit: it is not JSON: unexpected end of JSON input, at byte 1")
	check(tableOf("a b", []any{int64(1), int64(2)}), new([]int), "row 1 is not as expected: there are 2 columns: read them into a struct or a map[string]any")
	equal(t, errors.Is(tableOf("a").Rows([]int{}), Invalid), true)
	_, err := tableOf("a").First(1)
	equal(t, errors.Is(err, Invalid), true)
}

func TestABatchSaysWhatIsExpectedOfWhichStatement(t *testing.T) {
	fake(t).sqlBatch = func(connection string, steps []step) ([]Change, *refusal) {
		equal(t, connection, "ledger")
		equal(t, len(steps), 2)
		equal(t, steps[0].expectRows, nil)
		equal(t, steps[0].arguments[0], any(int64(1)))
		equal(t, *steps[1].expectRows, 0)
		return []Change{{Rows: 1}, {LastID: 7}}, nil
	}
	done, err := SQL.Batch("ledger").Execute("insert", 1).ExecuteExactly(0, "update").Commit(t.Context())
	equal(t, err, nil)
	equal(t, done[1].LastID, 7)
}

func TestADatabasesRefusalKeepsItsCode(t *testing.T) {
	failing := func(code string) *Error {
		fake(t).execute = func(string, statement) (Change, *refusal) {
			return Change{}, &refusal{kind: Database, text: "no", code: code}
		}
		_, err := SQL.Execute(t.Context(), "ledger", "insert")
		equal(t, errors.Is(err, Database), true)
		var known *Error
		errors.As(err, &known)
		return known
	}
	equal(t, failing("23505").Code(), "23505")
	equal(t, failing("23505").Error(), "no (23505)")
	equal(t, failing("23505").IsRetryable(), false)
	equal(t, failing("57014").IsRetryable(), true)
	equal(t, failing("53300").IsRetryable(), true)
	equal(t, failing("").Error(), "no")
	equal(t, failing("").IsRetryable(), false)
	for _, kind := range []Kind{AccessDenied, Conflict, Unavailable, Timeout, InDoubt, TooLarge} {
		fake(t).execute = func(string, statement) (Change, *refusal) { return Change{}, &refusal{kind: kind, text: "x"} }
		_, err := SQL.Execute(t.Context(), "ledger", "insert")
		equal(t, errors.Is(err, kind), true)
		equal(t, failureOf(err).retryable, kind.retryable())
	}
}
