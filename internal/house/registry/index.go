package registry

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// Index serves a wheel as a Python package index does ("Simple repository
// API", PEP 503): /simple/NAME/ lists it with its SHA-256, /files/ has it.
func Index(wheel Wheel) http.Handler {
	content := wheel.Content()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimSuffix(r.URL.Path, "/") {
		case "/simple/" + wheel.Name:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = fmt.Fprintf(w, "<!DOCTYPE html><a href=\"/files/%s#sha256=%s\">%[1]s</a>\n", wheel.File(), origin.SHA256(content))
		case path.Join("/files", wheel.File()):
			origin.Serve(w, r, content, "", "application/zip")
		default:
			http.NotFound(w, r)
		}
	})
}

// Wheel is a Python package that holds nothing but its version.
type Wheel struct{ Name, Version string }

// File is the wheel's file name ("Binary distribution format", PEP 427).
func (w Wheel) File() string { return w.module() + "-" + w.Version + "-py3-none-any.whl" }

func (w Wheel) module() string { return strings.ReplaceAll(w.Name, "-", "_") }

// Content is the wheel itself, the same bytes every time.
func (w Wheel) Content() origin.Content {
	info := w.module() + "-" + w.Version + ".dist-info/"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range [][2]string{
		{w.module() + ".py", "version = \"" + w.Version + "\"\n"},
		{info + "METADATA", "Metadata-Version: 2.1\nName: " + w.Name + "\nVersion: " + w.Version + "\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: weighbridge\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", w.module() + ".py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		// A Buffer never fails, so neither does what writes to it.
		out, _ := z.Create(f[0])
		_, _ = out.Write([]byte(f[1]))
	}
	_ = z.Close()
	return origin.Bytes(b.Bytes())
}
