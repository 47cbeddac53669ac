package admin

import (
	"embed"
	"net/http"
)

// assets are the page of the API's document. swagger-ui, version 5.35.0, is
// as its package swagger-ui-dist has it, without the comment that names a
// source map, and compressed (gzip -9n).
//
//go:embed assets/docs.html assets/docs.js assets/swagger-ui/swagger-ui-bundle.js.gz assets/swagger-ui/swagger-ui.css.gz
var assets embed.FS

// docsPolicy lets the page load what is served here and nothing else; images
// are those in the style sheet.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsPage puts the interactive page of the document on the mux.
func (a *API) docsPage() {
	for path, file := range map[string]struct{ name, kind, encoding string }{
		"/docs":                      {"docs.html", "text/html; charset=utf-8", ""},
		"/docs/page.js":              {"docs.js", "text/javascript", ""},
		"/docs/swagger-ui-bundle.js": {"swagger-ui/swagger-ui-bundle.js.gz", "text/javascript", "gzip"},
		"/docs/swagger-ui.css":       {"swagger-ui/swagger-ui.css.gz", "text/css", "gzip"},
	} {
		a.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			b, err := assets.ReadFile("assets/" + file.name)
			if err != nil {
				writeProblem(w, a.problemOf(err))
				return
			}
			h := w.Header()
			h.Set("Content-Security-Policy", docsPolicy)
			h.Set("Content-Type", file.kind)
			if file.encoding != "" { // every browser takes it
				h.Set("Content-Encoding", file.encoding)
			}
			_, _ = w.Write(b)
		})
	}
}
