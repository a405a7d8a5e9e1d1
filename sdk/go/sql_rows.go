package jackfield

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// scanner is the Scanner of database/sql, which is more than a component needs.
type scanner interface{ Scan(value any) error }

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// readRow reads a row into a value that can be set.
func readRow(columns []Column, row []any, into reflect.Value) error {
	if into.Kind() == reflect.Map && into.Type() == reflect.TypeFor[map[string]any]() {
		made := make(map[string]any, len(columns))
		for i, column := range columns {
			made[column.Name] = row[i]
		}
		into.Set(reflect.ValueOf(made))
		return nil
	}
	if isRecord(into) {
		fields := fieldsOf(into.Type())
		for i, column := range columns {
			index, known := fields[folded(column.Name)]
			if !known {
				continue
			}
			if err := readValue(row[i], into.FieldByIndex(index)); err != nil {
				return fmt.Errorf("column `%s` %w", column.Name, err)
			}
		}
		return nil
	}
	if len(columns) != 1 {
		return fmt.Errorf("there are %d columns: read them into a struct or a map[string]any", len(columns))
	}
	if err := readValue(row[0], into); err != nil {
		return fmt.Errorf("column `%s` %w", columns[0].Name, err)
	}
	return nil
}

// isRecord says whether a type takes the columns by its fields, and is no value itself.
func isRecord(into reflect.Value) bool {
	if into.Kind() != reflect.Struct || into.Type() == timeType {
		return false
	}
	switch into.Addr().Interface().(type) {
	case scanner, encoding.TextUnmarshaler:
		return false
	}
	return true
}

// fieldsOf gives the fields of a struct by the names of their columns.
func fieldsOf(record reflect.Type) map[string][]int {
	fields := make(map[string][]int)
	for _, field := range reflect.VisibleFields(record) {
		name, tagged := field.Tag.Lookup("sql")
		if !tagged {
			name = field.Name
		}
		// Behind a pointer that is embedded there may be nothing.
		if field.IsExported() && name != "-" && !(field.Anonymous && !tagged) && !throughPointer(record, field.Index) {
			if _, outer := fields[folded(name)]; !outer {
				fields[folded(name)] = field.Index
			}
		}
	}
	return fields
}

func throughPointer(record reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		record = record.Field(i).Type
		if record.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}

// folded is a name without what does not matter: customer_id and CustomerID are the same.
func folded(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// readValue reads one value. What is wrong is told of the column.
func readValue(value any, into reflect.Value) error {
	if into.Kind() == reflect.Interface && into.NumMethod() == 0 {
		if value == nil {
			into.SetZero()
		} else {
			into.Set(reflect.ValueOf(value))
		}
		return nil
	}
	if own, ok := into.Addr().Interface().(scanner); ok {
		if err := own.Scan(value); err != nil {
			return fmt.Errorf("does not fit: %w", err)
		}
		return nil
	}
	if into.Kind() == reflect.Pointer {
		if value == nil {
			into.SetZero()
			return nil
		}
		into.Set(reflect.New(into.Type().Elem()))
		return readValue(value, into.Elem())
	}
	switch value := value.(type) {
	case nil:
		if into.Kind() == reflect.Slice || into.Kind() == reflect.Map {
			into.SetZero()
			return nil
		}
		return fmt.Errorf("is null, and a Go %s cannot be", into.Type())
	case bool:
		if into.Kind() == reflect.Bool {
			into.SetBool(value)
			return nil
		}
	case int64:
		return readInteger(value, into)
	case float64:
		if into.CanFloat() {
			into.SetFloat(value)
			return nil
		}
	case string:
		return readText(value, into)
	case []byte:
		if into.Kind() == reflect.Slice && into.Type().Elem().Kind() == reflect.Uint8 {
			into.SetBytes(value)
			return nil
		}
	}
	return unlike(value, into)
}

func readInteger(value int64, into reflect.Value) error {
	switch {
	case into.CanInt() && !into.OverflowInt(value):
		into.SetInt(value)
	case into.CanUint() && value >= 0 && !into.OverflowUint(uint64(value)):
		into.SetUint(uint64(value))
	case into.CanInt(), into.CanUint():
		return fmt.Errorf("is %d, which a Go %s cannot hold", value, into.Type())
	case into.CanFloat():
		into.SetFloat(float64(value))
	case into.Kind() == reflect.Bool && (value == 0 || value == 1):
		into.SetBool(value == 1)
	default:
		return unlike(value, into)
	}
	return nil
}

func readText(text string, into reflect.Value) error {
	if into.Type() == timeType {
		at, err := timeOf(text)
		if err != nil {
			return err
		}
		into.Set(reflect.ValueOf(at))
		return nil
	}
	if into.Type() == rawType {
		into.SetBytes([]byte(text))
		return nil
	}
	if own, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := own.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("does not fit: %w", err)
		}
		return nil
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
		return nil
	case reflect.Slice:
		if into.Type().Elem().Kind() == reflect.Uint8 {
			return unlike(text, into)
		}
		fallthrough
	case reflect.Struct, reflect.Map, reflect.Array:
		if err := json.Unmarshal([]byte(text), into.Addr().Interface()); err != nil {
			return fmt.Errorf("does not fit: %w", unfit(err))
		}
		return nil
	}
	return unlike(text, into)
}

func unlike(value any, into reflect.Value) error {
	kinds := map[reflect.Kind]string{reflect.Bool: "a boolean", reflect.String: "text", reflect.Slice: "bytes"}
	kind, known := kinds[reflect.TypeOf(value).Kind()]
	if !known {
		kind = "a number"
	}
	return fmt.Errorf("is %s, not a Go %s", kind, into.Type())
}

// The forms that databases have for a time, the usual one first.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999Z07",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999",
	time.DateOnly,
}

func timeOf(text string) (time.Time, error) {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("is no date or time that is known here: read it into a string")
}
