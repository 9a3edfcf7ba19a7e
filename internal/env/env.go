// Package env checks the values of environment variables.
package env

import (
	"fmt"
	"strings"
)

// Check returns an error for a value with quotes, blanks or variables that a shell or a file has
// left in it. The error names the variable and does not quote the value.
func Check(name, value string) error {
	switch {
	case strings.TrimSpace(value) != value:
		return fmt.Errorf("trusthub: %s has blanks around its value", name)
	case strings.Trim(value, "\"'`") != value:
		return fmt.Errorf("trusthub: %s has quotes around its value", name)
	case strings.Contains(value, "${"):
		return fmt.Errorf("trusthub: %s has ${ in its value, which nothing has expanded", name)
	}
	return nil
}
