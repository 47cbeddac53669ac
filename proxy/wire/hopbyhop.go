package wire

import (
	"strings"

	"github.com/valyala/fasthttp"
)

// dropHopByHop removes what concerned our connection to the upstream only.
func dropHopByHop(h *fasthttp.ResponseHeader, named []string) {
	h.ResetConnectionClose()
	_ = h.SetTrailer("")
	// Names have to be removed as they are spelt: without normalization
	// fasthttp compares most of them by their bytes.
	var drop []string
	for k := range h.All() {
		hop := isHopByHop(k)
		for _, n := range named {
			hop = hop || strings.EqualFold(n, string(k))
		}
		if hop {
			drop = append(drop, string(k))
		}
	}
	for _, k := range drop {
		h.Del(k)
	}
}

// isHopByHop is RFC 9110 section 7.6.1 and, for Keep-Alive and
// Proxy-Connection, what is seen in practice.
func isHopByHop(name []byte) bool {
	switch len(name) {
	case 2:
		return equalFold(name, "te")
	case 7:
		return equalFold(name, "trailer") || equalFold(name, "upgrade")
	case 10:
		return equalFold(name, "connection") || equalFold(name, "keep-alive")
	case 16:
		return equalFold(name, "proxy-connection")
	case 17:
		return equalFold(name, "transfer-encoding")
	default:
		return false
	}
}
