package proxy

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/scrub"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// inParts reports whether an answer is multipart/byteranges (RFC 9110,
// section 14.6).
func inParts(h answerHeader, status int) bool {
	const kind = "multipart/byteranges"
	t := h.Get("Content-Type")
	return status == 206 && len(t) >= len(kind) && strings.EqualFold(t[:len(kind)], kind)
}

// parts looks into an answer in parts to a request that got a credential. The
// worker chose where the parts are cut, so a value could be cut in two: where
// a part is of a text that would be scanned, or where that cannot be told, the
// whole is asked for instead, as a server may always answer (RFC 9110, section
// 14.2). Parts of binaries, up to the size of what is scanned, pass untouched.
func (x *exchange) parts(h answerHeader, body *wire.Body, mask *scrub.Masker) (again bool, _ *auth.Error) {
	if n := body.Len(); n < 0 || n > scrub.MaxBody {
		_ = body.Close()
		return true, nil
	}
	t, err := x.readText(body, body.Len())
	if err != nil {
		return false, auth.AsError(err)
	}
	if !binaryParts(h, t.bytes, mask) {
		t.drop()
		return true, nil
	}
	x.hold(t.bytes, t.body, t.loan)
	return false, nil
}

// binaryParts reports whether every part is of something that is not scanned.
func binaryParts(h answerHeader, b []byte, mask *scrub.Masker) bool {
	_, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return false
	}
	r := multipart.NewReader(bytes.NewReader(b), params["boundary"])
	for n := 0; ; n++ {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return n > 0
		}
		if err != nil {
			return false
		}
		_, _, total, ok := scrub.ContentRange(p.Header.Get("Content-Range"))
		if !ok || mask.Judge(p.Header.Get("Content-Type"), h.Get("Content-Encoding"), total) != scrub.Stream {
			return false
		}
	}
}
