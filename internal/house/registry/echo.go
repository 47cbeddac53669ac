package registry

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// EchoFields are the header fields in which Echo reflects the secret.
func EchoFields() []string {
	return []string{"X-Echo", "Set-Cookie", "Authentication-Info", "Proxy-Authenticate", "Proxy-Authentication-Info", "Alt-Svc", "WWW-Authenticate"}
}

// Echo is the upstream that a worker would wish for: it sends back everything
// it was sent, in the way that the first path segment names.
//
//	/json     the request's header fields, as JSON; Range is honoured
//	/base64   every field's value in base64
//	/percent  every field's value in percent encoding
//	/gzip     /json, compressed
//	/pieces   /json, a few bytes at a time, each in a chunk of its own
//	/binary   /json, called application/octet-stream
//	/header   in the header fields of EchoFields, with an empty text
//	/trailer  in a trailer
//	/error    /json, with status 403
//	/body     the request's body
func Echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		way, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch way {
		case "base64":
			text(w, reflect(r, func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }))
		case "percent":
			text(w, reflect(r, url.QueryEscape))
		case "gzip":
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "application/json")
			z := gzip.NewWriter(w)
			_, _ = z.Write(reflect(r, nil))
			_ = z.Close()
		case "pieces":
			w.Header().Set("Content-Type", "application/json")
			for piece := range slices.Chunk(reflect(r, nil), 5) {
				_, _ = w.Write(piece)
				_ = http.NewResponseController(w).Flush()
			}
		case "binary":
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(reflect(r, nil))
		case "header":
			for _, name := range EchoFields() {
				w.Header().Set(name, "echo="+shown(r))
			}
			text(w, nil)
		case "trailer":
			w.Header().Set("Trailer", "X-Echo")
			text(w, []byte("look below"))
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("X-Echo", shown(r))
		case "error":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write(reflect(r, nil))
		case "body":
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = io.Copy(w, r.Body)
		default:
			origin.Serve(w, r, origin.Bytes(reflect(r, nil)), "echo", "application/json")
		}
	})
}

func text(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(body)
}

// shown is what the request shows as its secrets.
func shown(r *http.Request) string {
	var out []string
	for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "Proxy-Authorization", "X-Weighbridge-Key"} {
		out = append(out, r.Header.Values(name)...)
	}
	return strings.Join(out, " ")
}

// reflect writes the request as JSON, each value changed by change.
func reflect(r *http.Request, change func(string) string) []byte {
	header := map[string][]string{}
	for name, values := range r.Header {
		for _, v := range values {
			if change != nil {
				v = change(v)
			}
			header[name] = append(header[name], v)
		}
	}
	body, err := json.Marshal(map[string]any{
		"method": r.Method, "host": r.Host, "path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "headers": header,
	})
	if err != nil {
		return []byte(err.Error())
	}
	return body
}
