package jackfield

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// decode reads data into what into points to: JSON, unless it points to bytes or to struct{}. No data reads like null.
func decode(data []byte, into any) error {
	switch into := into.(type) {
	case *[]byte:
		*into = data
		return nil
	case *json.RawMessage:
		*into = data
		return nil
	case *struct{}:
		return nil
	}
	value := reflect.ValueOf(into)
	if value.Kind() != reflect.Pointer || value.IsNil() {
		return fmt.Errorf("it can be read into a pointer only, not into %T", into)
	}
	if len(data) == 0 {
		if !takesNull(into, value.Elem()) {
			return errors.New("there is none")
		}
		data = []byte("null")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return unfit(err)
	}
	// For encoding/json null fits everything, and leaves it as it was.
	if strings.TrimSpace(string(data[:min(len(data), 64)])) == "null" && !takesNull(into, value.Elem()) {
		return errors.New("it is null")
	}
	return nil
}

func takesNull(into any, value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return true
	}
	_, own := into.(json.Unmarshaler)
	return own
}

// unfit says why data does not fit, with the place.
func unfit(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("it is not JSON: %s, at byte %d", syntax, syntax.Offset)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field == "" {
			return fmt.Errorf("it is a JSON %s, not a Go %s", wrong.Value, wrong.Type)
		}
		return fmt.Errorf("`%s` is a JSON %s, not a Go %s", wrong.Field, wrong.Value, wrong.Type)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// encode writes a value as JSON; []byte and json.RawMessage are written as they are.
func encode(what string, value any) ([]byte, *Error) {
	switch value := value.(type) {
	case []byte:
		return value, nil
	case json.RawMessage:
		return value, nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, newError(Invalid, fmt.Sprintf("%s is not JSON: %s", what, strings.TrimPrefix(err.Error(), "json: ")))
	}
	return data, nil
}
