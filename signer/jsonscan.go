package signer

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// The scalars of JSON, copied and checked byte by byte.

// bufferString appends the rest of a string, with its closing mark, to buf.
// whole is false where it is longer than limit: buf then holds its beginning,
// cut between two characters.
func (e *jsonEditor) bufferString(buf *[]byte, limit int) (whole bool, err error) {
	for len(*buf) < limit {
		c, err := e.next()
		if err != nil {
			return false, err
		}
		if c < ' ' {
			return false, errJSONForm
		}
		*buf = append(*buf, c)
		if c == '"' {
			return true, nil
		}
		if c == '\\' {
			if err := e.escape(func(c byte) error { *buf = append(*buf, c); return nil }); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// stringRest copies to the end of a string, in pieces as large as are there.
func (e *jsonEditor) stringRest() error {
	for {
		if _, err := e.in.Peek(1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		piece, err := e.in.Peek(e.in.Buffered())
		if err != nil {
			return err
		}
		n := 0
		for n < len(piece) && piece[n] >= ' ' && piece[n] != '"' && piece[n] != '\\' {
			n++
		}
		if err := e.emitAll(piece[:n]); err != nil {
			return err
		}
		more := n == len(piece)
		if _, err := e.in.Discard(n); err != nil {
			return err
		}
		if more {
			continue
		}
		c, err := e.next()
		if err != nil {
			return err
		}
		if c < ' ' {
			return errJSONForm
		}
		if err := e.emit(c); err != nil || c == '"' {
			return err
		}
		if err := e.escape(e.emit); err != nil {
			return err
		}
	}
}

// escape reads what follows a backslash (RFC 8259, section 7).
func (e *jsonEditor) escape(put func(byte) error) error {
	c, err := e.next()
	if err != nil {
		return err
	}
	if err := put(c); err != nil {
		return err
	}
	if strings.IndexByte(`"\/bfnrt`, c) >= 0 {
		return nil
	}
	if c != 'u' {
		return errJSONForm
	}
	for range 4 {
		if c, err = e.next(); err != nil {
			return err
		}
		if !isHex(c) {
			return errJSONForm
		}
		if err := put(c); err != nil {
			return err
		}
	}
	return nil
}

func (e *jsonEditor) literal(rest string) error {
	for i := 0; i < len(rest); i++ {
		c, err := e.next()
		if err != nil {
			return err
		}
		if c != rest[i] {
			return errJSONForm
		}
		if err := e.emit(c); err != nil {
			return err
		}
	}
	return nil
}

// number copies the rest of a number whose first byte is c (RFC 8259, section
// 6), and checks its form: a text that is cut off must not look whole.
func (e *jsonEditor) number(c byte) error {
	var err error
	if c == '-' {
		if c, err = e.next(); err != nil {
			return err
		}
		if err := e.emit(c); err != nil {
			return err
		}
	}
	switch {
	case c == '0':
	case c >= '1' && c <= '9':
		if _, err := e.digits(); err != nil {
			return err
		}
	default:
		return errJSONForm
	}
	if took, err := e.take("."); err != nil {
		return err
	} else if took {
		if n, err := e.digits(); err != nil || n == 0 {
			return orForm(err)
		}
	}
	if took, err := e.take("eE"); err != nil || !took {
		return err
	}
	if _, err := e.take("+-"); err != nil {
		return err
	}
	if n, err := e.digits(); err != nil || n == 0 {
		return orForm(err)
	}
	return nil
}

func orForm(err error) error {
	if err != nil {
		return err
	}
	return errJSONForm
}

func (e *jsonEditor) digits() (n int, err error) {
	for {
		took, err := e.take("0123456789")
		if err != nil || !took {
			return n, err
		}
		n++
	}
}

// take copies one byte where it is one of set. At the end of the source it
// takes nothing: a number may be the whole text.
func (e *jsonEditor) take(set string) (bool, error) {
	c, err := e.in.ReadByte()
	if err == io.EOF {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if strings.IndexByte(set, c) < 0 {
		return false, e.in.UnreadByte()
	}
	return true, e.emit(c)
}

// unquoteJSON decodes a string with its marks, whose form has been checked.
// The result may share raw's memory.
func unquoteJSON(raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return []byte(s), err
}
