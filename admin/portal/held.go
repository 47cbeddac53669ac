package portal

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
)

// held is what a thing holds now in a field of the form that changes it: the
// field's name, what it is called, and its value as the form writes it.
type held struct{ name, called, value string }

// holding is what a thing holds now in all fields of the form that changes it.
type holding []held

// seen is the form as it is made, for its hidden field of that name: what is
// told from what is typed, however long the form stays open. It is no secret.
func (h holding) seen() string {
	q := url.Values{}
	for _, f := range h {
		q.Set(f.name, f.value)
	}
	return q.Encode()
}

// since is a form that was sent, with what the thing holds now wherever nobody
// typed anything: somebody else may have changed that since the form was made.
// The clashes are the fields that both have changed.
func (h holding) since(form url.Values) (now url.Values, clashes holding) {
	seen, err := url.ParseQuery(form.Get("seen"))
	if err != nil || len(seen) == 0 {
		return form, nil // it says nothing of what it was made with
	}
	now = maps.Clone(form)
	for _, f := range h {
		typed, was, is := plainLines(form.Get(f.name)), plainLines(seen.Get(f.name)), plainLines(f.value)
		switch {
		case !form.Has(f.name):
		case typed == was:
			now.Set(f.name, f.value)
		case is != was && is != typed:
			clashes = append(clashes, f)
		}
	}
	return now, clashes
}

// plainLines is a text without what a browser makes of the ends of its lines
// (HTML, section 4.10.22.4).
func plainLines(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
}

// clash says which fields somebody else has changed as well, and to what; nil
// where there is none.
func (v *visit) clash(all holding) error {
	if len(all) == 0 {
		return nil
	}
	var called, values []string
	for _, f := range all {
		called = append(called, f.called)
		values = append(values, f.called+": "+strings.Join(linesOf(cmp.Or(f.value, v.say("clash.empty"))), ", "))
	}
	return &admin.Problem{Status: http.StatusPreconditionFailed, Code: "precondition_failed",
		Detail: v.say("clash.both", strings.Join(called, ", ")), Next: v.say("clash.next", strings.Join(values, "; "))}
}
