package cases

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
)

// TestT51_AKeyInTheQueryStaysThere: what a server redirects, shows or refuses
// with the URL that it got holds no key, and the redirect can be followed.
func TestT51_AKeyInTheQueryStaysThere(t *testing.T) {
	t.Parallel()
	const host = "query.example.com"
	var want string
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("token") != want || len(r.URL.Query()["token"]) != 1:
			http.Error(w, "wrong token in "+r.URL.String(), http.StatusUnauthorized)
		case !strings.HasSuffix(r.URL.Path, "/"):
			http.Redirect(w, r, r.URL.Path+"/?"+r.URL.RawQuery, http.StatusMovedPermanently)
		default:
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, "<a href=%q>%s</a>", html.EscapeString(r.URL.String()), r.URL.Query().Get("page"))
		}
	})
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{host: server})})
	secret := h.Secret("k&y=+%/")
	want = secret.Value()
	h.AddCredential(admin.NewCredential{Name: "query", Provider: "http_query", Fields: map[string]string{"paramName": "token", "value": want}, Patterns: []string{host + "/*"}})
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"query"}}).Key
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		r := w.get("https://" + host + "/models?page=two&token=mine")
		if r.status != 301 || !strings.Contains(r.header.Get("Location"), "/models/?page=two&token=*") {
			t.Errorf("%s: %s to %s", mode, r, r.header.Get("Location"))
		}
		if r := w.follow("https://" + host + "/models?page=two"); r.status != 200 || !strings.Contains(string(r.body), "token=**") || !strings.Contains(string(r.body), ">two<") {
			t.Errorf("%s: %s", mode, r)
		}
	}
}
