package keyservice

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// kind is the class of a failure. The zero value blames nothing that is stored.
type kind int

const (
	// unreachable: no answer, or one that says "later".
	unreachable kind = iota
	// denied: the service answers, and does not do it for us: credentials,
	// permission, no such key, key disabled.
	denied
	// rejected: what is to be unwrapped is not what the key wrapped, or it was
	// wrapped for something else.
	rejected
)

// Error is a failure of a key service. It holds no secret and no query.
type Error struct {
	// Service is its name for people, Key the id of the KEK.
	Service, Key string
	// Detail says what it answered.
	Detail string
	// Next is what to do about it; may be empty.
	Next  string
	Cause error

	kind kind
	// again says that another attempt may succeed at once.
	again bool
}

// Error is one line.
func (e *Error) Error() string {
	s := e.Service + ": " + e.Detail
	if e.Next != "" {
		s += "; " + e.Next
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// OutOfReach reports whether the failure says nothing of the ciphertext: the
// same one may open later.
func (e *Error) OutOfReach() bool { return e.kind != rejected }

// Transient reports whether the service could not be asked at all.
func (e *Error) Transient() bool { return e.kind == unreachable }

// noAnswer is the error of a request that was not answered. The text of a
// *url.Error names the URL, which people know, and repeats the method.
func noAnswer(err error) *Error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	detail := "it cannot be reached: " + printable(err.Error())
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		detail = "it did not answer in time"
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return &Error{Detail: detail, Cause: err, kind: unreachable, again: !untrusted}
}

// maxWords bounds what is quoted of a service's answer.
const maxWords = 240

// printable is s on one line, short.
func printable(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))), " ")
	if len(s) > maxWords {
		s = strings.ToValidUTF8(s[:maxWords], "") + "…"
	}
	return s
}

// said is what a service answered: its status, its code, and its words where
// they repeat none of the secrets that it was sent.
func said(status int, code, words string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" && strings.Contains(words, s) {
			words = ""
		}
	}
	text := fmt.Sprintf("it answered %d", status)
	if code = printable(code); code != "" {
		text += " " + code
	}
	if words = printable(words); words != "" {
		text += " (" + words + ")"
	}
	return text
}
