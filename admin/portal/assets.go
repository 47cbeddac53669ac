package portal

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// files are what pages load. htmx, version 2.0.11, and its extension sse,
// version 2.2.4, are as their packages htmx.org and htmx-ext-sse have them.
//
//go:embed assets
var files embed.FS

// assets are the files, compressed once, each under a path that changes with
// what is in it, so that a browser may keep it for good.
type assets struct {
	paths map[string]string // by name
	files map[string]asset  // by path
}

type asset struct {
	kind        string
	plain, gzip []byte
}

// newAssets reads the files, which are part of the program.
func newAssets() *assets {
	a := &assets{paths: map[string]string{}, files: map[string]asset{}}
	names, err := fs.Glob(files, "assets/*")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(b)
		short := strings.TrimPrefix(name, "assets/")
		at := "/assets/" + hex.EncodeToString(sum[:8]) + "/" + short
		var z bytes.Buffer
		w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
		if err == nil {
			_, err = w.Write(b)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			panic(err)
		}
		a.paths[short], a.files[at] = at, asset{kind: kindOf(short), plain: b, gzip: z.Bytes()}
	}
	return a
}

// kindOf is the media type, whatever the machine's own table says.
func kindOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return mime.TypeByExtension(ext)
	}
}

// provider is the icon of a provider, by its name.
func (a *assets) provider(name string) string {
	if icon := "provider-" + name; strings.Contains(string(a.files[a.paths["icons.svg"]].plain), `id="`+icon+`"`) {
		return icon
	}
	return "provider-other"
}

// url is the path of a file, by name.
func (a *assets) url(name string) string { return a.paths[name] }

func (p *Portal) assetRoutes() {
	p.mux.HandleFunc("GET /assets/{hash}/{name}", func(w http.ResponseWriter, r *http.Request) {
		f, ok := p.assets().files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			_, _ = w.Write(f.gzip)
			return
		}
		_, _ = w.Write(f.plain)
	})
}
