package signer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// jsonAction is what happens to one member of an object.
type jsonAction int

const (
	jsonKeep jsonAction = iota
	// jsonDrop removes the member with its name and one comma.
	jsonDrop
	// jsonReplace replaces the member's value where it is a string.
	jsonReplace
)

// jsonEdit says how to change a JSON text on its way.
type jsonEdit struct {
	// visit is asked for every member. state is 0 in the outermost value; what
	// visit returns is the state inside the member's value. The elements of an
	// array have the array's state. A name that is too long to be of interest
	// is given as nil. The bytes are good for the call only.
	visit func(state int, name []byte) (jsonAction, int)
	// replace gives the new value of a string; state is what visit returned for
	// it.
	replace func(state int, old string) string
}

const (
	// maxJSONDepth bounds the stack. The Hub's answers have about ten levels.
	maxJSONDepth = 256
	// maxJSONName is more than any name of interest takes with every character
	// escaped. Longer names are copied and not looked at.
	maxJSONName = 128
	// maxJSONString bounds a string that is replaced, such as a signed URL.
	maxJSONString = 64 << 10
	// maxJSONLead bounds the white space that is kept between two members;
	// what exceeds it is left out, for it means nothing.
	maxJSONLead = 4 << 10
)

var (
	errJSONForm  = errors.New("the upstream's JSON is malformed")
	errJSONDepth = errors.New("the upstream's JSON is nested too deep")
	errJSONLong  = errors.New("a string in the upstream's JSON is too long to be replaced")
)

// editJSON copies one JSON text (RFC 8259) from src to dst, edited. It streams:
// beside two buffers it holds one name, or one string that is replaced.
// Every byte outside of what is edited stays as it is; numbers are not read.
// A text that is malformed or ends early is an error, and what has been
// written then must not end cleanly. An empty body stays empty.
func editJSON(dst io.Writer, src io.Reader, edit jsonEdit) error {
	e := jsonEditor{in: bufio.NewReaderSize(src, 16<<10), out: bufio.NewWriterSize(dst, 16<<10), edit: edit}
	if err := e.text(); err != nil {
		return err
	}
	return e.out.Flush()
}

type jsonEditor struct {
	in   *bufio.Reader
	out  *bufio.Writer
	edit jsonEdit
	// mute is above zero inside a member that is dropped.
	mute int
	// lead is the white space and comma before the next member.
	lead []byte
	name []byte
}

func (e *jsonEditor) text() error {
	if err := e.space(); err != nil {
		return err
	}
	if _, err := e.in.Peek(1); err == io.EOF {
		return nil
	}
	if err := e.value(0, 0); err != nil {
		return err
	}
	if err := e.space(); err != nil {
		return err
	}
	switch _, err := e.in.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errJSONForm
	default:
		return err
	}
}

// next takes one byte; the end of the source is an unexpected one.
func (e *jsonEditor) next() (byte, error) {
	c, err := e.in.ReadByte()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return c, err
}

func (e *jsonEditor) emit(c byte) error {
	if e.mute > 0 {
		return nil
	}
	return e.out.WriteByte(c)
}

func (e *jsonEditor) emitAll(b []byte) error {
	if e.mute > 0 {
		return nil
	}
	_, err := e.out.Write(b)
	return err
}

func isJSONSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// space copies white space. The end of the source is not an error here.
func (e *jsonEditor) space() error {
	for {
		c, err := e.in.ReadByte()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case !isJSONSpace(c):
			return e.in.UnreadByte()
		}
		if err := e.emit(c); err != nil {
			return err
		}
	}
}

// keepSpace collects white space into lead and returns the byte behind it.
func (e *jsonEditor) keepSpace() (byte, error) {
	for {
		c, err := e.next()
		if err != nil || !isJSONSpace(c) {
			return c, err
		}
		if len(e.lead) < maxJSONLead {
			e.lead = append(e.lead, c)
		}
	}
}

func (e *jsonEditor) value(state, depth int) error {
	if depth > maxJSONDepth {
		return errJSONDepth
	}
	c, err := e.next()
	if err != nil {
		return err
	}
	if err := e.emit(c); err != nil {
		return err
	}
	switch c {
	case '{':
		return e.object(state, depth)
	case '[':
		return e.array(state, depth)
	case '"':
		return e.stringRest()
	case 't':
		return e.literal("rue")
	case 'f':
		return e.literal("alse")
	case 'n':
		return e.literal("ull")
	default:
		return e.number(c)
	}
}

func (e *jsonEditor) array(state, depth int) error {
	if err := e.space(); err != nil {
		return err
	}
	c, err := e.next()
	if err != nil {
		return err
	}
	if c == ']' {
		return e.emit(c)
	}
	if err := e.in.UnreadByte(); err != nil {
		return err
	}
	for {
		if err := e.value(state, depth+1); err != nil {
			return err
		}
		if err := e.space(); err != nil {
			return err
		}
		c, err := e.next()
		if err != nil {
			return err
		}
		if c != ',' && c != ']' {
			return errJSONForm
		}
		if err := e.emit(c); err != nil || c == ']' {
			return err
		}
		if err := e.space(); err != nil {
			return err
		}
	}
}

// object copies members. The white space and comma before a member wait in
// lead until it is known whether the member stays.
func (e *jsonEditor) object(state, depth int) error {
	e.lead = e.lead[:0]
	c, err := e.keepSpace()
	if err != nil {
		return err
	}
	for first := true; c != '}'; {
		if c != '"' {
			return errJSONForm
		}
		kept, err := e.member(state, depth, first)
		if err != nil {
			return err
		}
		first = first && !kept
		e.lead = e.lead[:0]
		if c, err = e.keepSpace(); err != nil {
			return err
		}
		if c == '}' {
			break
		}
		if c != ',' {
			return errJSONForm
		}
		e.lead = append(e.lead, c)
		if c, err = e.keepSpace(); err != nil {
			return err
		}
		if c == '}' {
			return errJSONForm // a comma with nothing behind it
		}
	}
	if err := e.emitAll(e.lead); err != nil {
		return err
	}
	return e.emit('}')
}

// member reads on behind the quotation mark that begins a name.
func (e *jsonEditor) member(state, depth int, first bool) (kept bool, err error) {
	e.name = append(e.name[:0], '"')
	whole, err := e.bufferString(&e.name, maxJSONName)
	if err != nil {
		return false, err
	}
	var name []byte
	if whole {
		if name, err = unquoteJSON(e.name); err != nil {
			return false, err
		}
	}
	action, inside := e.edit.visit(state, name)
	if action == jsonDrop {
		e.mute++
		defer func() { e.mute-- }()
	}
	lead := e.lead
	if i := bytes.IndexByte(lead, ','); first && i >= 0 {
		lead = append(lead[:i], lead[i+1:]...)
	}
	if err := e.emitAll(lead); err != nil {
		return false, err
	}
	if err := e.emitAll(e.name); err != nil {
		return false, err
	}
	if !whole {
		if err := e.stringRest(); err != nil {
			return false, err
		}
	}
	if err := e.space(); err != nil {
		return false, err
	}
	c, err := e.next()
	if err != nil {
		return false, err
	}
	if c != ':' {
		return false, errJSONForm
	}
	if err := e.emit(c); err != nil {
		return false, err
	}
	if err := e.space(); err != nil {
		return false, err
	}
	if action == jsonReplace && e.mute == 0 {
		return true, e.replaced(inside, depth)
	}
	return action != jsonDrop, e.value(inside, depth+1)
}

// replaced writes the replacement of a string, and any other value as it is.
func (e *jsonEditor) replaced(state, depth int) error {
	c, err := e.next()
	if err != nil {
		return err
	}
	if c != '"' {
		if err := e.in.UnreadByte(); err != nil {
			return err
		}
		return e.value(state, depth+1)
	}
	raw := []byte{'"'}
	whole, err := e.bufferString(&raw, maxJSONString)
	if err != nil {
		return err
	}
	if !whole {
		return errJSONLong
	}
	unquoted, err := unquoteJSON(raw)
	if err != nil {
		return err
	}
	old := string(unquoted)
	now := e.edit.replace(state, old)
	if now == old {
		return e.emitAll(raw)
	}
	var quoted strings.Builder
	enc := json.NewEncoder(&quoted)
	enc.SetEscapeHTML(false) // & stands in every signed URL
	if err := enc.Encode(now); err != nil {
		return err
	}
	return e.emitAll([]byte(strings.TrimSuffix(quoted.String(), "\n")))
}
