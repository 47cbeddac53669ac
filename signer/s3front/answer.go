package s3front

import (
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// answer sets what becomes of the upstream's answer: documents speak of what
// the worker asked for, in its words.
func (r *request) answer() {
	if r.op.kind == listing || r.op.kind == document || r.op.kind == batchDelete {
		r.entry.Wants = auth.WantsPlain
	}
	r.entry.Rewrite = r.rewrite
}

// rewrite is auth.Entry's Rewrite.
func (r *request) rewrite(a *auth.Answer) (auth.BodyRewrite, error) {
	// A client that followed would leave us, with a signature that is worth
	// nothing anywhere else.
	a.Header.Del("Location")
	renamed := r.said != r.real
	if r.op.kind == listing && r.said.bucket != r.real.bucket || r.hidden() != "" {
		renamed = true
	}
	if !renamed || a.Request.Method == "HEAD" || !isDocument(a.Header.Get("Content-Type")) {
		return nil, nil
	}
	if a.Status < 300 && r.op.level == ofObject && !r.op.writes {
		return nil, nil // the object itself, even where it is XML
	}
	encoded, _ := r.Query.Get("encoding-type")
	n := renaming{
		bucket: r.real.bucket, alias: r.said.bucket, hidden: r.hidden(), encoded: encoded == "url",
		resource: r.Path.String(), failed: a.Status >= 300,
	}
	return func(dst io.Writer, src io.Reader) error { return n.copy(dst, src) }, nil
}

func isDocument(contentType string) bool {
	t, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	t = strings.TrimSpace(t)
	return t == "application/xml" || t == "text/xml" || strings.HasSuffix(t, "+xml")
}
