package hub

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// The xorb format (xet protocol, "Xorb format"): a chunk is a header of eight
// bytes (version 0; length as stored, 3 bytes; scheme 0, not compressed; length
// unpacked, 3 bytes; little endian) and its data, of at most 128 KiB.
const (
	chunkData   = 128 << 10
	chunkHeader = 8
)

// xorb is a run of a file's chunks as the transfer host serves them. Its
// bytes are made from the file's as they are read.
type xorb struct {
	hash   string
	file   *object
	start  int64 // in the file
	length int64 // of data
}

// cut lays a file's xorbs out. h.mu is held.
func (h *Hub) cut(o *object) []*xorb {
	var out []*xorb
	per := int64(h.options.XorbChunks) * chunkData
	for start := int64(0); start < o.size; start += per {
		sum := sha256.Sum256(fmt.Appendf(nil, "xorb %d of %s by %d", start, o.sha256, per))
		x := &xorb{hash: hex.EncodeToString(sum[:]), file: o, start: start, length: min(per, o.size-start)}
		h.xorbs[x.hash] = x
		out = append(out, x)
	}
	return out
}

// packed is where data byte n of x begins in x, n being a multiple of
// chunkData or the end.
func packed(n int64) int64 { return n + (n+chunkData-1)/chunkData*chunkHeader }

// Size implements origin.Content.
func (x *xorb) Size() int64 { return packed(x.length) }

// ReadAt implements io.ReaderAt.
func (x *xorb) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < x.Size() {
		chunk, within := off/(chunkHeader+chunkData), off%(chunkHeader+chunkData)
		data := min(chunkData, x.length-chunk*chunkData)
		m := 0
		if within < chunkHeader {
			var header [chunkHeader]byte
			binary.LittleEndian.PutUint32(header[1:], uint32(data)) // three bytes; the fourth is scheme 0
			header[4] = 0
			header[5], header[6], header[7] = byte(data), byte(data>>8), byte(data>>16)
			m = copy(p[n:], header[within:])
		} else {
			want := min(int64(len(p)-n), chunkHeader+data-within)
			var err error
			m, err = x.file.content.ReadAt(p[n:n+int(want)], x.start+chunk*chunkData+within-chunkHeader)
			if err != nil && (err != io.EOF || int64(m) < want) {
				return n + m, err
			}
		}
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// span is a half-open run of numbers as the CAS writes chunk ranges.
type span struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

type term struct {
	Hash     string `json:"hash"`
	Unpacked int64  `json:"unpacked_length"`
	Range    span   `json:"range"`
}

// serveCAS serves the content-addressed store. It takes its own tokens only.
func (h *Hub) serveCAS(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/telemetry" {
		w.WriteHeader(http.StatusOK)
		return
	}
	repoKey := h.xetCaller(r)
	if repoKey == "" {
		http.Error(w, "invalid or missing token", http.StatusUnauthorized)
		return
	}
	version, hash, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/reconstructions/")
	if !ok || (version != "v1" && version != "v2") || (version == "v2" && h.options.XetV1Only) {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	h.mu.RLock()
	o := h.files[hash]
	held := o != nil && o.repos[repoKey]
	h.mu.RUnlock()
	if !held {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	first, last, ok := wanted(r.Header.Get("Range"), o.size)
	if !ok {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", o.size))
		http.Error(w, "beyond the end", http.StatusRequestedRangeNotSatisfiable)
		return
	}
	sendJSON(w, http.StatusOK, h.reconstruction(o, first, last, version))
}

// wanted reads a single byte range of a file; none is the whole of it.
func wanted(header string, size int64) (first, last int64, ok bool) {
	if header == "" {
		return 0, size - 1, true
	}
	a, b, found := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	first, err := strconv.ParseInt(a, 10, 64)
	if !found || err != nil || first >= size {
		return 0, 0, false
	}
	if last, err = strconv.ParseInt(b, 10, 64); err != nil || last >= size {
		last = size - 1
	}
	return first, last, last >= first
}

// reconstruction says of which chunks bytes first to last of o are made, and
// where they are. Chunk ends are exclusive, byte ends inclusive.
func (h *Hub) reconstruction(o *object, first, last int64, version string) map[string]any {
	terms, xorbs, info := []term{}, map[string]any{}, map[string]any{}
	offset := int64(0)
	for _, x := range o.xorbs {
		if x.start+x.length <= first || x.start > last {
			continue
		}
		from := max(0, first-x.start) / chunkData
		to := (min(x.length, last+1-x.start) + chunkData - 1) / chunkData
		if len(terms) == 0 {
			offset = first - x.start - from*chunkData
		}
		terms = append(terms, term{x.hash, min(x.length, to*chunkData) - from*chunkData, span{from, to}})
		bytes := span{from * (chunkHeader + chunkData), packed(min(x.length, to*chunkData)) - 1}
		link := h.signer.CloudFront(TransferHost, "/xorb/default/"+x.hash,
			"X-Xet-Signed-Range="+url.QueryEscape(fmt.Sprintf("bytes=%d-%d", bytes.Start, bytes.End)), h.options.SignedLife)
		xorbs[x.hash] = []any{map[string]any{"url": link, "ranges": []any{map[string]any{"chunks": span{from, to}, "bytes": bytes}}}}
		info[x.hash] = []any{map[string]any{"range": span{from, to}, "url": link, "url_range": bytes}}
	}
	out := map[string]any{"offset_into_first_range": offset, "terms": terms}
	if version == "v2" {
		out["xorbs"] = xorbs
	} else {
		out["fetch_info"] = info
	}
	return out
}

// serveXorb serves the transfer host: exactly the signed range, to nobody who
// shows a token.
func (h *Hub) serveXorb(w http.ResponseWriter, r *http.Request) {
	if !h.signer.Guard(w, r, TransferHost) {
		return
	}
	if r.Header.Get("Range") != r.URL.Query().Get("X-Xet-Signed-Range") {
		http.Error(w, "the range is not the one that was signed", http.StatusForbidden)
		return
	}
	h.mu.RLock()
	x := h.xorbs[strings.TrimPrefix(r.URL.Path, "/xorb/default/")]
	h.mu.RUnlock()
	if x == nil {
		http.Error(w, "no such xorb", http.StatusNotFound)
		return
	}
	origin.Serve(w, r, x, x.hash[:32], "application/octet-stream")
}
