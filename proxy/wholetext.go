package proxy

import (
	"errors"
	"io"

	"github.com/weighbridge/weighbridge/proxy/wire"
)

// wholeText is a text that was read into memory, and what it takes of the
// budget.
type wholeText struct {
	bytes []byte
	// body is the upstream's where bytes are its memory; nil otherwise.
	body *wire.Body
	loan textLoan
}

// firstPiece is what is made ready for a text of unknown length.
const firstPiece = 16 << 10

// readText reads a body of at most size bytes, or the first size bytes of it;
// size is the length where that is known, and otherwise one byte more than a
// text may have. After an error the body is closed. It is closed as well where
// it was read whole, unless its memory is the text.
func (x *exchange) readText(body *wire.Body, size int64) (t wholeText, err error) {
	defer func() {
		if err != nil {
			t.drop()
			_ = body.Close()
		}
	}()
	known := body.Len() >= 0
	if b, ok := body.Memory(); ok {
		return wholeText{bytes: b, body: body}, nil
	}
	if err := t.reserve(x, size); err != nil {
		return t, err
	}
	if known {
		t.bytes = make([]byte, size)
		if _, err := io.ReadFull(body, t.bytes); err != nil {
			return t, err
		}
		return t, body.Close()
	}
	t.bytes = make([]byte, 0, firstPiece)
	for int64(len(t.bytes)) < size {
		if len(t.bytes) == cap(t.bytes) {
			more := make([]byte, len(t.bytes), min(2*int64(cap(t.bytes)), size))
			copy(more, t.bytes)
			t.bytes = more
		}
		n, err := body.Read(t.bytes[len(t.bytes):cap(t.bytes)])
		t.bytes = t.bytes[:len(t.bytes)+n]
		if errors.Is(err, io.EOF) {
			t.loan.resize(t.counted())
			return t, body.Close()
		}
		if err != nil {
			return t, err
		}
	}
	return t, nil // there is more
}

// reserve makes the text's part of the budget size bytes. It waits for them,
// and has none after an error.
func (t *wholeText) reserve(x *exchange, size int64) error {
	if size <= inMemory || size <= t.loan.size {
		return nil
	}
	t.loan.giveBack() // who waits holds nothing back
	var err error
	t.loan, err = x.p.texts.take(x.transfer.ctx, x.identity.KeyID, size)
	return err
}

// counted is what the text as it is by now takes of the budget.
func (t *wholeText) counted() int64 {
	if n := int64(cap(t.bytes)); n > inMemory {
		return n
	}
	return 0
}

// become makes the text another one.
func (t *wholeText) become(b []byte) {
	if t.body != nil {
		_ = t.body.Close()
		t.body = nil
	}
	t.bytes = b
}

// drop lets go of the text. It may be called more than once.
func (t *wholeText) drop() {
	t.become(nil)
	t.loan.giveBack()
}
