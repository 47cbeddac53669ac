package store

import "errors"

// outOfReach reports whether a KEK's failure says nothing of what it was to
// open: a key service that does not answer, or does not let us. What a KEK says
// nothing about counts as a flaw of the ciphertext.
func outOfReach(err error) bool {
	if err == nil {
		return false
	}
	var e interface{ OutOfReach() bool }
	return errors.As(err, &e) && e.OutOfReach()
}

// transient reports whether a key service could not be asked at all.
func transient(err error) bool {
	var e interface{ Transient() bool }
	return errors.As(err, &e) && e.Transient()
}

// because is what a key service's error says, which is for people and holds no
// secret; nothing of any other error.
func because(err error) string {
	if outOfReach(err) {
		return ": " + err.Error()
	}
	return ""
}
