package jackfield

import (
	sql "github.com/jackfield/jackfield/sdk/go/internal/bindings/jackfield_plugin_sql"
	wit "github.com/jackfield/jackfield/sdk/go/internal/wit/types"
)

func hostQuery(connection string, s statement) (*Table, *refusal) {
	result := sql.Query(connection, lowerStatement(s))
	if result.IsErr() {
		return nil, refusedSQL(result.Err())
	}
	found := result.Ok()
	table := &Table{Columns: make([]Column, len(found.Columns)), Values: make([][]any, len(found.Rows))}
	for i, column := range found.Columns {
		table.Columns[i] = Column{Name: column.Name, Type: column.TypeName}
	}
	for i, row := range found.Rows {
		table.Values[i] = make([]any, len(row))
		for j, value := range row {
			table.Values[i][j] = valueOf(value)
		}
	}
	return table, nil
}

func hostExecute(connection string, s statement) (Change, *refusal) {
	result := sql.Execute(connection, lowerStatement(s))
	if result.IsErr() {
		return Change{}, refusedSQL(result.Err())
	}
	return changeOf(result.Ok()), nil
}

func hostSQLBatch(connection string, steps []step) ([]Change, *refusal) {
	lowered := make([]sql.Step, len(steps))
	for i, step := range steps {
		lowered[i] = sql.Step{Statement: lowerStatement(step.statement), ExpectRows: wit.None[uint32]()}
		if step.expectRows != nil {
			lowered[i].ExpectRows = wit.Some(*step.expectRows)
		}
	}
	result := sql.Batch(connection, lowered)
	if result.IsErr() {
		return nil, refusedSQL(result.Err())
	}
	changes := make([]Change, len(result.Ok()))
	for i, change := range result.Ok() {
		changes[i] = changeOf(change)
	}
	return changes, nil
}

func changeOf(change sql.Change) Change {
	return Change{Rows: change.Rows, LastID: change.LastId.Some()}
}

func lowerStatement(s statement) sql.Statement {
	lowered := sql.Statement{Text: s.text, Parameters: make([]sql.Value, len(s.arguments))}
	for i, argument := range s.arguments {
		switch argument := argument.(type) {
		case bool:
			lowered.Parameters[i] = sql.MakeValueBoolean(argument)
		case int64:
			lowered.Parameters[i] = sql.MakeValueInteger(argument)
		case float64:
			lowered.Parameters[i] = sql.MakeValueFloat(argument)
		case string:
			lowered.Parameters[i] = sql.MakeValueText(argument)
		case []byte:
			lowered.Parameters[i] = sql.MakeValueBytes(argument)
		default:
			lowered.Parameters[i] = sql.MakeValueNull()
		}
	}
	return lowered
}

func valueOf(value sql.Value) any {
	switch value.Tag() {
	case sql.ValueBoolean:
		return value.Boolean()
	case sql.ValueInteger:
		return value.Integer()
	case sql.ValueFloat:
		return value.Float()
	case sql.ValueText:
		return value.Text()
	case sql.ValueBytes:
		return value.Bytes()
	}
	return nil
}

func refusedSQL(refused sql.Error) *refusal {
	switch refused.Tag() {
	case sql.ErrorAccessDenied:
		return &refusal{kind: AccessDenied, text: refused.AccessDenied()}
	case sql.ErrorDatabase:
		return &refusal{kind: Database, text: refused.Database().Message, code: refused.Database().Code}
	case sql.ErrorConflict:
		return &refusal{kind: Conflict, text: refused.Conflict()}
	case sql.ErrorUnavailable:
		return &refusal{kind: Unavailable, text: refused.Unavailable()}
	case sql.ErrorTimeout:
		return &refusal{kind: Timeout, text: refused.Timeout()}
	case sql.ErrorInDoubt:
		return &refusal{kind: InDoubt, text: refused.InDoubt()}
	default:
		return &refusal{kind: TooLarge, text: refused.TooLarge()}
	}
}
