package store

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"
)

var errNotAStore = errors.New("it is a bbolt file, and not one of weighbridge's")

// guard runs what touches bbolt. bbolt panics where a file is not as it left
// it, and reads it through a memory map, where a missing page is a fault and
// not an error; both become an *Error here, without a stack trace.
func (d *boltDriver) guard(fn func() error) (err error) {
	if d.broken.Load() {
		return damagedFile(d.path, errors.New("an earlier access failed"))
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			d.broken.Store(true)
			err = damagedFile(d.path, fmt.Errorf("bbolt: %v", r))
		}
	}()
	return boltError(d.path, fn())
}

// boltError says in the words of an operator why the file at path cannot be
// used. An *Error stays as it is.
func boltError(path string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	e := &Error{Kind: KindUnavailable, What: whatStore, Ref: path, Cause: err}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		e.Detail, e.Cause = "the file is in use by another process", ErrInUse
		e.Next = "stop the other weighbridge, or give this one a data directory of its own"
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		e.Detail = "it is closed"
	case noSpace(err):
		e.Detail, e.Cause = "the disk is full, or a quota or file size limit is reached; nothing was changed", joinCause(ErrNoSpace, err)
		e.Next = "free some space; nothing needs a restart"
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum),
		errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, errNotAStore), errors.Is(err, ErrDamaged),
		strings.Contains(err.Error(), "file size too small"): // bbolt has no value for it
		return damagedFile(path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Detail = "it cannot be written: " + ioReason(err)
		e.Next = "check the owner and mode of the data directory"
	default:
		e.Detail = "it failed: " + ioReason(err)
	}
	return e
}

func damagedFile(path string, cause error) error {
	if !errors.Is(cause, ErrDamaged) {
		cause = joinCause(ErrDamaged, cause)
	}
	return &Error{Kind: KindUnavailable, What: whatStore, Ref: path, Detail: "the file is damaged, or it is not a weighbridge store",
		Next: restoreHint, Cause: cause}
}

// noSpace recognises a full disk. bbolt drops the cause of some errors and
// keeps their text.
func noSpace(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, errno) || strings.Contains(err.Error(), errno.Error()) {
			return true
		}
	}
	return errors.Is(err, bolterrors.ErrMaxSizeReached)
}
