package proxy

import "io"

// paced is w at the pace of the key.
func (x *exchange) paced(w io.Writer) io.Writer {
	if x.pace == nil {
		return w
	}
	return x.pace.Writer(x.transfer.ctx, w)
}

// progressing is w, counted and at the pace of the key.
func (x *exchange) progressing(w io.Writer) io.Writer {
	return &progressWriter{x.paced(w), x}
}

// progressWriter counts a body that is made.
type progressWriter struct {
	w io.Writer
	x *exchange
}

func (p *progressWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.x.progress(int64(n))
	return n, err
}
