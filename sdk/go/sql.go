package jackfield

import (
	"context"
	"fmt"
	"reflect"
)

// SQL is statements on database connections of the manifest. Arguments go apart from the text, which has the
// placeholders of the database: $1 in PostgreSQL, ? elsewhere.
//
// An argument is nil, a boolean, a number, text, []byte, a time.Time, a json.RawMessage, a driver.Valuer, an
// encoding.TextMarshaler or a fmt.Stringer that is no number (a decimal, a UUID), a pointer to one of these, or a
// struct, a map or a slice, which is written as JSON.
//
// No transaction stays open between calls: what belongs together goes into one [Databases.Batch]. What changed something
// and succeeded is not done again: a run that is tried again gets the recorded answer.
var SQL Databases

// Databases runs statements. See [SQL].
type Databases struct{}

// Query runs one statement and returns its rows: at most 10,000 and 4 MiB, unless the manifest says otherwise.
//
// It fails with [Database] if the database refused the statement, [Error.Code] being its SQLSTATE; with [TooLarge] if
// there are more rows than the limit; with [Conflict] if the database gave up because of other transactions.
func (Databases) Query(ctx context.Context, connection, text string, arguments ...any) (*Table, error) {
	statement, err := statementOf(text, arguments)
	if err != nil {
		return nil, err
	}
	if err := ready(ctx, append(statement.texts(), connection)...); err != nil {
		return nil, err
	}
	table, refused := hostQuery(connection, statement)
	if refused != nil {
		return nil, refused.error("")
	}
	return table, nil
}

// Execute runs one statement for its effect. It fails as [Databases.Query] does; and with [InDoubt] if the connection
// broke before the answer.
func (Databases) Execute(ctx context.Context, connection, text string, arguments ...any) (Change, error) {
	statement, err := statementOf(text, arguments)
	if err != nil {
		return Change{}, err
	}
	if err := ready(ctx, append(statement.texts(), connection)...); err != nil {
		return Change{}, err
	}
	change, refused := hostExecute(connection, statement)
	if refused != nil {
		return Change{}, refused.error("")
	}
	return change, nil
}

// Batch begins a batch: all its statements are done, or none.
func (Databases) Batch(connection string) *SQLBatch { return &SQLBatch{connection: connection} }

// SQLBatch is statements that are done together, in one transaction. At most 100. Nothing happens before
// [SQLBatch.Commit].
type SQLBatch struct {
	connection string
	steps      []step
	// The first argument that no database takes.
	problem error
}

// Execute adds a statement.
func (b *SQLBatch) Execute(text string, arguments ...any) *SQLBatch {
	return b.add(text, nil, arguments)
}

// ExecuteExactly adds a statement that must change exactly so many rows. If it changes another number, the whole batch
// is undone and fails with [Conflict].
func (b *SQLBatch) ExecuteExactly(rows uint32, text string, arguments ...any) *SQLBatch {
	return b.add(text, &rows, arguments)
}

func (b *SQLBatch) add(text string, expectRows *uint32, arguments []any) *SQLBatch {
	statement, err := statementOf(text, arguments)
	if err != nil && b.problem == nil {
		b.problem = err
	}
	b.steps = append(b.steps, step{statement, expectRows})
	return b
}

// Commit does all statements in order, or none. What each of them did, in their order.
func (b *SQLBatch) Commit(ctx context.Context) ([]Change, error) {
	if b.problem != nil {
		return nil, b.problem
	}
	texts := []string{b.connection}
	for _, step := range b.steps {
		texts = append(texts, step.texts()...)
	}
	if err := ready(ctx, texts...); err != nil {
		return nil, err
	}
	changes, refused := hostSQLBatch(b.connection, b.steps)
	if refused != nil {
		return nil, refused.error("")
	}
	return changes, nil
}

// Change is what a statement did.
type Change struct {
	// Rows is how many rows it changed.
	Rows uint32
	// LastID is the key that the database gave to the last inserted row, where it says so (MySQL, SQLite); otherwise 0.
	// Elsewhere use returning with [Databases.Query].
	LastID int64
}

// Column is a column of a table.
type Column struct {
	Name string
	// Type is the database's own name of the type, such as timestamptz.
	Type string
}

// Table is the rows that a statement returned.
type Table struct {
	Columns []Column
	// Values are the rows, each with a value for every column: nil, bool, int64, float64, string or []byte. Decimals,
	// dates, times, UUIDs and JSON are text, in the database's form. [Table.Rows] reads them into types.
	Values [][]any
}

// Rows reads the rows into what into points to, a slice.
//
// A struct takes the columns by its fields' tags (`sql:"customer_id"`) or names, case and underscores not minded; a
// map[string]any by their names; any other type takes the only column. A field takes what it can hold without loss: a
// bool also 0 and 1, a time.Time and an encoding.TextUnmarshaler the text, a sql.Scanner anything, a struct, a map or a
// slice JSON. Null fits what can be nil, and a sql.Scanner.
func (t *Table) Rows(into any) error {
	slice := reflect.ValueOf(into)
	if slice.Kind() != reflect.Pointer || slice.IsNil() || slice.Elem().Kind() != reflect.Slice {
		return newError(Invalid, fmt.Sprintf("rows are read into a pointer to a slice, not into %T", into))
	}
	slice = slice.Elem()
	rows := reflect.MakeSlice(slice.Type(), len(t.Values), len(t.Values))
	for i := range t.Values {
		if err := t.row(i, rows.Index(i)); err != nil {
			return err
		}
	}
	slice.Set(rows)
	return nil
}

// First reads the first row into what into points to. False if there are no rows.
func (t *Table) First(into any) (bool, error) {
	value := reflect.ValueOf(into)
	if value.Kind() != reflect.Pointer || value.IsNil() {
		return false, newError(Invalid, fmt.Sprintf("a row is read into a pointer, not into %T", into))
	}
	if len(t.Values) == 0 {
		return false, nil
	}
	if err := t.row(0, value.Elem()); err != nil {
		return false, err
	}
	return true, nil
}

func (t *Table) row(number int, into reflect.Value) error {
	if err := readRow(t.Columns, t.Values[number], into); err != nil {
		return newError(Other, fmt.Sprintf("row %d is not as expected: %s", number+1, err)).Named("answer")
	}
	return nil
}

// statement is what the host is asked. Its arguments are of the types of [Table.Values].
type statement struct {
	text      string
	arguments []any
}

type step struct {
	statement
	expectRows *uint32
}

func statementOf(text string, arguments []any) (statement, error) {
	made := statement{text, make([]any, len(arguments))}
	for i, argument := range arguments {
		lowered, err := lowerArgument(argument)
		if err != nil {
			return made, newError(Invalid, fmt.Sprintf("argument %d %s", i+1, err))
		}
		made.arguments[i] = lowered
	}
	return made, nil
}

func (s statement) texts() []string {
	texts := []string{s.text}
	for _, argument := range s.arguments {
		if text, ok := argument.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}
