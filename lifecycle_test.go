package apikey_test

import (
	"errors"

	"github.com/seed-be062aaa/apikey"
)

// fieldsOf returns the fields that a joined error complains of, in order.
func fieldsOf(err error) []string {
	var fields []string
	var walk func(error)
	walk = func(err error) {
		var field *apikey.FieldError
		switch e := err.(type) { //nolint:errorlint // it walks the tree itself
		case *apikey.FieldError:
			fields = append(fields, e.Field)
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		default:
			if errors.As(err, &field) {
				fields = append(fields, field.Field)
			}
		}
	}
	walk(err)
	return fields
}
