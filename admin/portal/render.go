package portal

import (
	"bytes"
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

//go:embed templates
var templates embed.FS

// themes are what the cookie of that name may say; without it the page looks as
// the system does.
var themes = map[string]bool{"light": true, "dark": true}

// view is what every template gets: D is the page's own data.
type view struct {
	D any
	// Problem is why what was asked for did not happen; nil where nothing was
	// refused.
	Problem *admin.Problem
	// Done is what has just been done, in words.
	Done     string
	SignedIn bool
	Me       admin.Me
	Team     string
	// Path is as At makes one.
	Path  string
	Theme string
	v     *visit
}

// view is what a page of this visit is made of.
func (v *visit) view(data any) *view {
	w := &view{D: data, Me: v.me, Team: v.team, Path: v.r.URL.EscapedPath(), SignedIn: v.me.User != nil, v: v}
	if c := v.p.cookie(v.r, themeCookie); themes[c] {
		w.Theme = c
	}
	if done := v.r.URL.Query().Get("done"); done != "" && v.r.Method == http.MethodGet {
		w.Done = v.p.pages().text.optional("done." + done)
	}
	return w
}

// Can reports whether the visitor may call an operation of the API.
func (w *view) Can(operation string) bool { return w.v.can(operation) }

// At is the path of a page about the team.
func (w *view) At(parts ...string) string { return w.v.at(parts...) }

// To is the path of a page about another team.
func (w *view) To(team string, parts ...string) string { return teamPath(team, parts...) }

// In reports whether the page stands below one of the team's pages, which the
// navigation marks.
func (w *view) In(parts ...string) bool {
	path := w.v.at(parts...)
	return w.Path == path || strings.HasPrefix(w.Path, path+"/")
}

// Here is the path with what was asked for, where asking for it again gives this
// page again, without what it says of an act.
func (w *view) Here() string {
	if w.v.r.Method != http.MethodGet {
		return w.Path
	}
	u := *w.v.r.URL
	q := u.Query()
	if q.Has("done") {
		q.Del("done")
		u.RawQuery = q.Encode()
	}
	return u.RequestURI()
}

// Whole reports whether this is a page, and not a part that a script puts into
// one.
func (w *view) Whole() bool { return !w.v.fragment() }

// Of is w about something else: for a template within a template.
func (w *view) Of(data any) *view {
	inner := *w
	inner.D = data
	return &inner
}

// pages are the templates, each with the layout and the parts that all share.
type pages struct {
	byName map[string]*template.Template
	text   *text
}

// newPages parses the templates, which are part of the program: a mistake in
// them is one of the build, and panics.
func newPages(a *assets, now func() time.Time) *pages {
	p := &pages{byName: map[string]*template.Template{}, text: newText()}
	funcs := template.FuncMap{"t": p.text.say, "many": p.text.many, "asset": a.url, "dict": dict, "once": once, "provider": a.provider}
	for name, f := range formats(now, p.text) {
		funcs[name] = f
	}
	base := template.Must(template.New("").Funcs(funcs).ParseFS(templates, "templates/layout.html", "templates/parts/*.html"))
	names, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		if short := strings.TrimPrefix(name, "templates/"); short != "layout.html" {
			p.byName[short] = template.Must(template.Must(base.Clone()).ParseFS(templates, name))
		}
	}
	return p
}

// write answers with a part of a template. Nothing is sent of one that fails.
func (p *pages) write(w http.ResponseWriter, status int, name, part string, data any) error {
	var b bytes.Buffer
	if err := p.execute(&b, name, part, data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
	return nil
}

func (p *pages) execute(b *bytes.Buffer, name, part string, data any) error {
	t := p.byName[name]
	if t == nil {
		return fmt.Errorf("there is no template %s", name)
	}
	return t.ExecuteTemplate(b, part, data)
}

// once is the key under which a form that creates something does so once.
func once() string { return rand.Text() }

// dict makes a map of pairs, for a part that takes several things.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict takes pairs, and got %d", len(pairs))
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("the key %d of dict is no string", i/2)
		}
		out[key] = pairs[i+1]
	}
	return out, nil
}
