package jackfield

import (
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// lowerArgument makes of an argument what the host takes: nil, bool, int64, float64, string or []byte.
func lowerArgument(argument any) (any, error) {
	switch argument := argument.(type) {
	case nil, bool, int64, float64, string:
		return argument, nil
	case []byte:
		if argument == nil {
			return nil, nil
		}
		return argument, nil
	case json.RawMessage:
		return string(argument), nil
	case time.Time:
		return argument.Format(time.RFC3339Nano), nil
	}
	value := reflect.ValueOf(argument)
	if value.Kind() == reflect.Pointer && value.IsNil() {
		return nil, nil
	}
	if valuer, ok := argument.(driver.Valuer); ok {
		made, err := valuer.Value()
		if err != nil {
			return nil, fmt.Errorf("has no value: %w", err)
		}
		if _, again := made.(driver.Valuer); again {
			return nil, fmt.Errorf("is a %T, which no database takes", made)
		}
		return lowerArgument(made)
	}
	switch value.Kind() {
	case reflect.Bool:
		return value.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return value.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		// What does not fit 64 bits with a sign goes as text, which the database casts.
		if value.Uint() > math.MaxInt64 {
			return strconv.FormatUint(value.Uint(), 10), nil
		}
		return int64(value.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return value.Float(), nil
	case reflect.String:
		return value.String(), nil
	}
	switch argument := argument.(type) {
	case encoding.TextMarshaler:
		text, err := argument.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("has no text: %w", err)
		}
		return string(text), nil
	case fmt.Stringer:
		return argument.String(), nil
	}
	switch value.Kind() {
	case reflect.Pointer:
		return lowerArgument(value.Elem().Interface())
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		data, err := json.Marshal(argument)
		if err != nil {
			return nil, fmt.Errorf("is not JSON: %w", err)
		}
		return string(data), nil
	}
	return nil, fmt.Errorf("is a %T, which no database takes", argument)
}
