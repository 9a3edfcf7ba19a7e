package opaque_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/seed07fc1495/trusthub/internal/opaque"
)

// secret is an error to hide with its chain. It is not comparable.
type secret struct {
	err error
	_   []string
}

func (s secret) Error() string { return "secret: " + s.err.Error() }
func (s secret) Unwrap() error { return s.err }

func isSecret(err error) bool {
	_, ok := err.(secret) //nolint:errorlint // one node, not its chain
	return ok
}

func TestHide(t *testing.T) {
	visible := errors.New("visible")
	whole := fmt.Errorf("%w, and %w", visible, secret{err: io.EOF})
	err := opaque.Hide(whole, isSecret)
	var found secret
	if errors.Is(err, io.EOF) || errors.As(err, &found) || !errors.Is(err, visible) || err.Error() != whole.Error() {
		t.Errorf("got %v", err)
	}
	if nothing := opaque.Hide(visible, isSecret); nothing != visible { //nolint:errorlint // the same value
		t.Errorf("got %v", nothing)
	}
	if errors.Is(err, secret{}) { // not comparable
		t.Error("found what is hidden")
	}
}
