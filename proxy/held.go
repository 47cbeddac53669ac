package proxy

import (
	"io"

	"github.com/weighbridge/weighbridge/proxy/wire"
)

// heldPiece is how much of a held body is written at once: after each piece
// it is known what the worker has got.
const heldPiece = 64 << 10

// held is a body in memory on its way to the worker. The exchange ends when it
// is out, or when the worker has broken off. It is a part of the exchange, so
// that small answers cost nothing more.
type held struct {
	x    *exchange
	text []byte
	// body is the upstream's where text is its memory; nil otherwise.
	body *wire.Body
	loan textLoan

	sent int64
	err  error
	done bool
}

var (
	_ wire.Prompt = (*held)(nil)
	_ wire.Told   = (*held)(nil)
)

// hold sends text, which may be the memory of body, with the header as it
// stands. loan is what the text takes of the budget; it ends with the answer.
func (x *exchange) hold(text []byte, body *wire.Body, loan textLoan) {
	x.transfer.total.Store(int64(len(text)))
	x.held = held{x: x, text: text, body: body, loan: loan}
	x.line.held(&x.held, len(text))
}

// Prompt implements wire.Prompt.
func (h *held) Prompt() {}

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo.
func (h *held) SupportsBodyWriteTo() bool { return true }

// Read is never called, because WriteTo is supported.
func (h *held) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// WriteTo implements io.WriterTo. The first Write, which takes the head along,
// is made for an empty body too.
func (h *held) WriteTo(w io.Writer) (int64, error) {
	w = h.x.paced(w)
	for rest := h.text; ; {
		n, err := w.Write(rest[:min(len(rest), heldPiece)])
		h.sent += int64(n)
		h.x.progress(int64(n))
		rest = rest[n:]
		if err != nil || len(rest) == 0 {
			h.err = err
			return h.sent, err
		}
	}
}

// Fail implements wire.Told.
func (h *held) Fail(err error) {
	if h.err == nil {
		h.err = err
	}
}

// Close implements io.Closer; the writer of answers calls it in the end.
func (h *held) Close() error {
	if h.done {
		return nil
	}
	h.done = true
	if h.body != nil {
		_ = h.body.Close()
	}
	h.text, h.body = nil, nil
	h.loan.giveBack()
	h.x.end(h.sent, h.err)
	return nil
}
