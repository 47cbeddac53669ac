package store

import (
	"errors"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// Kind is the class of an *Error.
type Kind int

// The kinds of errors. The zero value is the one that helps nobody in.
const (
	// KindUnavailable: the store or the KEK cannot do it now (disk full, file
	// damaged, key service out of reach, closed). Nothing is wrong with the
	// request.
	KindUnavailable Kind = iota
	// KindNotFound: what the ref, version or name says does not exist.
	KindNotFound
	// KindExists: the name or hash is taken.
	KindExists
	// KindReadOnly: the row is declared in the configuration.
	KindReadOnly
	// KindConflict: the row changed under the caller.
	KindConflict
	// KindInvalid: the request itself is wrong.
	KindInvalid
)

// Sentinels for errors.Is. Every *Error is one of the first six by its kind;
// those after them are causes.
var (
	ErrUnavailable = errors.New("the store is unavailable")
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("exists already")
	ErrReadOnly    = errors.New("declared in the configuration")
	ErrConflict    = errors.New("changed meanwhile")
	ErrInvalid     = errors.New("invalid")

	// ErrInUse: another process holds the file.
	ErrInUse = errors.New("in use by another process")
	// ErrDamaged: the file, or a row of it, is not what was written.
	ErrDamaged = errors.New("damaged")
	// ErrWrongKEK: the store was sealed with another KEK.
	ErrWrongKEK = errors.New("wrong KEK")
	// ErrWentBack: a shared store's database does not hold what was committed.
	ErrWentBack = errors.New("the database went back")
	// ErrNewer: the file was written by a newer weighbridge.
	ErrNewer = errors.New("written by a newer version")
	// ErrNoSpace: the disk, a quota or a file size limit is full.
	ErrNoSpace = errors.New("no space left")
	// ErrUnknown: it is not known whether a change was made, or will last. Whoever
	// asked for it looks before asking again; the store goes by what is there.
	ErrUnknown = errors.New("it is not known whether the change was made")
)

func (k Kind) sentinel() error {
	switch k {
	case KindNotFound:
		return ErrNotFound
	case KindExists:
		return ErrExists
	case KindReadOnly:
		return ErrReadOnly
	case KindConflict:
		return ErrConflict
	case KindInvalid:
		return ErrInvalid
	default:
		return ErrUnavailable
	}
}

// Error is what the store answers where it cannot do what was asked. What,
// Ref, Detail and Next are for people, may be shown to an administrator and
// hold no secret.
type Error struct {
	Kind Kind
	// What is the kind of thing: "credential", "API key", "team", …
	What string
	// Ref is what the caller named it by; may be empty.
	Ref string
	// Detail says what about it.
	Detail string
	// Next is what to do about it; may be empty.
	Next string
	// Cause is for the operator's log; may be nil.
	Cause error
}

// Error puts it in one line: thing, reference, what about it, next step.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.What)
	if e.Ref != "" {
		b.WriteByte(' ')
		b.WriteString(strconv.Quote(e.Ref))
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Detail != "" {
		b.WriteString(e.Detail)
	} else {
		b.WriteString(e.Kind.sentinel().Error())
	}
	if e.Next != "" {
		b.WriteString("; ")
		b.WriteString(e.Next)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is the sentinel of e's kind.
func (e *Error) Is(target error) bool { return target == e.Kind.sentinel() }

// notFound does not repeat a key that somebody gave in place of its name.
func notFound(what, ref string) *Error {
	if isKey(ref) {
		return &Error{Kind: KindNotFound, What: what, Ref: auth.NewSecret(ref).Preview(),
			Detail: "this is a key itself, and nothing is called so", Next: "give its id or name"}
	}
	return &Error{Kind: KindNotFound, What: what, Ref: ref, Detail: "there is none of this id or name"}
}

func invalid(what, ref, detail string) *Error {
	return &Error{Kind: KindInvalid, What: what, Ref: ref, Detail: detail}
}

func taken(what, ref string) *Error {
	return &Error{Kind: KindExists, What: what, Ref: ref, Detail: "the name is taken"}
}

func readOnly(what, ref string) *Error {
	return &Error{Kind: KindReadOnly, What: what, Ref: ref,
		Detail: "it is declared in the configuration and read-only here",
		Next:   "change the configuration file and reload"}
}
